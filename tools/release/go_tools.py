"""Go programs that make or check artefacts: built once from pinned modules, kept in the user's cache."""

from pathlib import Path

from lab.kubernetes.go_build import Program, build_all
from lab.program_cache import ProgramCache, user_cache
from lab.progress import say_on_stderr

_HERE = Path(__file__).parent


def go_tool(name: str, package: str, module: str, takes: str) -> Path:
    """The program, built if it is missing.

    Args:
        name: of the program, and of the folder beside this file whose go.mod pins it.
        package: what is built.
        module: the module in go.mod whose version is the program's.
        takes: for the message: how long a build takes with nothing cached.

    Raises:
        BinariesError: it could not be built.
    """
    program = Program(name, _HERE / name, package, module, takes)
    cache = user_cache()

    def make(folder: Path) -> None:
        build_all(folder, cache / "go", say_on_stderr, [program])

    folder = cache / name / f"{name}-{program.version}"
    return ProgramCache(name, [name], folder, make, say_on_stderr).find_or_make() / name
