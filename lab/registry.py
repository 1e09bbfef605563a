"""An OCI registry on loopback, without TLS, that keeps what it gets in memory: Google's go-containerregistry."""

import urllib.request
from pathlib import Path
from typing import Self

from lab.kubernetes.go_build import Program, build_all
from lab.ports import free_port
from lab.program_cache import ProgramCache, user_cache
from lab.progress import Say, say_on_stderr
from lab.server_process import ServerProcess
from lab.wait import until

_MODULE = "github.com/google/go-containerregistry"
_SOURCES = Path(__file__).parent / "kubernetes/sources/registry"
_PROGRAM = Program("registry", _SOURCES, f"{_MODULE}/cmd/registry", _MODULE, "seconds")
_STOP_SECONDS = 5


def registry_program(say: Say = say_on_stderr) -> Path:
    """The server, built if it is missing.

    Raises:
        BinariesError: it could not be built.
    """
    cache = user_cache()

    def make(folder: Path) -> None:
        build_all(folder, cache / "go", say, [_PROGRAM])

    folder = cache / "registry" / f"registry-{_PROGRAM.version}"
    return ProgramCache("registry", ["registry"], folder, make, say).find_or_make() / "registry"


class Registry:
    """The running server; a context manager.

    Args:
        program: see `registry_program`.
        folder: for its log.

    Attributes:
        host: `HOST:PORT`, for names of images and charts.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._log = folder / "registry.log"
        self._port = free_port()
        self.host = f"localhost:{self._port}"

    def __enter__(self) -> Self:
        self._process = ServerProcess([self._program, f"-port={self._port}"], self._log)
        try:
            until("the registry to answer", self._answers)
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop(_STOP_SECONDS)

    def _answers(self) -> bool:
        if self._process.exit_status is not None:
            raise RuntimeError(f"the registry ended; {self._process.log_tail()}")
        try:
            with urllib.request.urlopen(f"http://{self.host}/v2/", timeout=5):
                return True
        except OSError:
            return False
