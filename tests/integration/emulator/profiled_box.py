"""A machine made of plain values whose threads have profiles."""

import json
from pathlib import Path

from resctrl_emulator.client import Books, ControlClient
from resctrl_emulator.control import Control, ControlServer
from resctrl_emulator.faults import Faults
from resctrl_emulator.thread_profile import ThreadProfile
from tests.integration.emulator.fakes import Box


class Profiled(Box):
    """A box whose threads get profiles as a test gives them: by a line of the control socket."""

    def group(self, name: str) -> int:
        self.mkdir(f"/mon_groups/{name}")
        tid = self.threads.process()
        self.write(f"/mon_groups/{name}/tasks", str(tid))
        return tid

    def profile(self, tid: int, profile: ThreadProfile | None) -> None:
        fields = profile and {name: getattr(profile, name) for name in ThreadProfile.__slots__}
        self.ask({"op": "thread_profile", "tid": tid, "profile": fields})

    def ask(self, request: dict[str, object]) -> dict[str, object]:
        answer = Control(self.resctrl, Faults(), lambda: None).answer(json.dumps(request).encode())
        assert "error" not in answer
        return answer

    def run_for(self, seconds: int) -> None:
        for _ in range(seconds * 10):
            self.run(0.1)

    def number(self, group: str, event: str, block: int = 1) -> int:
        return int(self.read(f"{group}/mon_data/mon_L3_{block:02d}/{event}"))

    def telemetry(self, group: str, event: str, package: int = 1) -> int:
        return int(self.read(f"{group}/mon_data/mon_PERF_PKG_{package:02d}/{event}"))

    def books(self, folder: Path) -> Books:
        server = ControlServer(folder / "socket", Control(self.resctrl, Faults(), lambda: None))
        server.start()
        try:
            return ControlClient(folder / "socket").books()
        finally:
            server.stop()
