"""What systemd says of the agent's service, for when nobody answers at its socket."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass

from cachemon.commands.findings import CheckResult, Finding

UNIT = "cachemon-host"
_SECONDS = 5.0
_COMMAND = ("systemctl", "show", UNIT, "--property=LoadState,ActiveState,SubState,Result")
_INSTALL = (
    f"cachemon host agent --print-unit | sudo tee /etc/systemd/system/{UNIT}.service; "
    f"sudo systemctl enable --now {UNIT}"
)
_START = f"sudo systemctl start {UNIT}"
_LOG = f"journalctl -u {UNIT} -n 50"


@dataclass(frozen=True, slots=True)
class ServiceUnit:
    """The unit, in systemd's words; empty where systemd does not say.

    Attributes:
        load: `loaded`, `not-found`, `masked`.
        active: `active`, `inactive`, `failed`, `activating`.
        sub: more exactly, as `auto-restart`.
        result: of the last run, as `exit-code`.
    """

    load: str = ""
    active: str = ""
    sub: str = ""
    result: str = ""

    def finding(self, problem: str, advice: str) -> Finding:
        """Why the agent does not answer.

        Args:
            problem: what its socket says.
            advice: what to do where systemd does not know more.
        """
        if not self.active:
            return Finding(CheckResult.FAILS, "agent", problem, advice)
        if self.load == "not-found":
            return Finding(CheckResult.FAILS, "agent", f"{problem}; {UNIT}.service is not installed", _INSTALL)
        state = f"{problem}; {UNIT}.service is {self.active} ({self.sub})"
        if self.active == "inactive":
            return Finding(CheckResult.FAILS, "agent", state, _START)
        result = f", its last run ended with {self.result}" if self.result not in ("", "success") else ""
        return Finding(CheckResult.FAILS, "agent", f"{state}{result}", _LOG)


def parse_unit(text: str) -> ServiceUnit:
    """The unit from lines `Name=value`."""
    values = dict(line.partition("=")[::2] for line in text.splitlines())
    return ServiceUnit(*(values.get(name, "") for name in ("LoadState", "ActiveState", "SubState", "Result")))


async def read_unit() -> ServiceUnit:
    """Ask systemd; an empty one where there is none, or where it does not answer."""
    try:
        process = await asyncio.create_subprocess_exec(*_COMMAND, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    except OSError:
        return ServiceUnit()
    try:
        async with asyncio.timeout(_SECONDS):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return ServiceUnit()
    return parse_unit(out.decode(errors="replace")) if process.returncode == 0 else ServiceUnit()
