"""Where etcd and kube-apiserver come from: found, or built once and kept in the user's cache folder.

The order: `$KUBEBUILDER_ASSETS` (a folder with both, as controller-runtime's setup-envtest makes it), the cache, a
build from Go modules (`lab.kubernetes.go_build`).

`python -m lab.kubernetes.binaries` does all of that and prints where they are; `make setup` runs it.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.kubernetes import go_build
from lab.program_cache import BinariesError, ProgramCache, user_cache
from lab.progress import Say, say_on_stderr

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
PROGRAMS = ("etcd", "kube-apiserver")
_WHAT = "etcd and kube-apiserver"


@dataclass(frozen=True, slots=True)
class Binaries:
    """The two programs of the local Kubernetes."""

    etcd: Path
    kube_apiserver: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "Binaries":
        """Both in one folder, under their own names."""
        return cls(*(folder / program for program in PROGRAMS))


def built(cache: Path | None = None, say: Say = say_on_stderr) -> ProgramCache:
    """The programs in the user's cache, which a build from Go modules fills."""
    cache = user_cache() if cache is None else cache
    return ProgramCache(
        what=_WHAT,
        programs=PROGRAMS,
        folder=cache / "kubernetes" / go_build.cache_name(),
        make=lambda folder: go_build.build_all(folder, cache / "go", say),
        say=say,
    )


def find(programs: ProgramCache | None = None, environment: Mapping[str, str] = os.environ) -> Binaries:
    """The programs from `$KUBEBUILDER_ASSETS` or the cache.

    Raises:
        BinariesError: they are in neither place, or `$KUBEBUILDER_ASSETS` names a folder without them.
    """
    found = _from_assets(environment) or (programs or built()).find()
    if found is None:
        raise BinariesError(f"no {_WHAT} in the cache; `make setup` puts them there")
    return Binaries.in_folder(found)


def find_or_make(programs: ProgramCache | None = None, environment: Mapping[str, str] = os.environ) -> Binaries:
    """As `find`, and builds the programs where they are missing; that takes up to ten minutes.

    Raises:
        BinariesError: the build failed; the message has the reason.
    """
    return Binaries.in_folder(_from_assets(environment) or (programs or built()).find_or_make())


def _from_assets(environment: Mapping[str, str]) -> Path | None:
    folder = environment.get(ASSETS_VARIABLE)
    if not folder:
        return None
    missing = [program for program in PROGRAMS if not os.access(Path(folder) / program, os.X_OK)]
    if missing:
        raise BinariesError(
            f"{ASSETS_VARIABLE}={folder} has no executable {' and no '.join(missing)}; "
            "name a folder that has both, or unset the variable"
        )
    return Path(folder).absolute()


def main() -> int:
    """Make sure that the programs are there, and print where.

    Returns:
        The exit status: 1 if they could not be made.
    """
    try:
        found = find_or_make()
    except BinariesError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"etcd            {found.etcd}\nkube-apiserver  {found.kube_apiserver}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
