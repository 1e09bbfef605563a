"""Where etcd and kube-apiserver come from: found, or made once and kept in the user's cache folder.

The order: `$KUBEBUILDER_ASSETS` (a folder with both, as controller-runtime's setup-envtest makes it), the
cache, the official release (`lab.kubernetes.release_archive`), a build from Go modules (`lab.kubernetes.go_build`).

`python -m lab.kubernetes.binaries` does all of that and prints where they are; `make setup` runs it.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.kubernetes import go_build, release_archive
from lab.origin import Origin
from lab.program_cache import BinariesError, ProgramCache, user_cache
from lab.progress import Say, say_on_stderr

__all__ = ["ASSETS_VARIABLE", "PROGRAMS", "Binaries", "BinariesError", "find", "find_or_make", "user_cache"]

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


def find(
    cache: Path | None = None,
    origins: Sequence[Origin] | None = None,
    environment: Mapping[str, str] = os.environ,
    say: Say = say_on_stderr,
) -> Binaries:
    """The programs from `$KUBEBUILDER_ASSETS` or the cache.

    Raises:
        BinariesError: they are in neither place, or `$KUBEBUILDER_ASSETS` names a folder without them.
    """
    found = _from_assets(environment) or _kept(cache, origins, say).find()
    if found is None:
        raise BinariesError(f"no {_WHAT} in the cache; `make setup` puts them there")
    return Binaries.in_folder(found)


def find_or_make(
    cache: Path | None = None,
    origins: Sequence[Origin] | None = None,
    environment: Mapping[str, str] = os.environ,
    say: Say = say_on_stderr,
) -> Binaries:
    """As `find`, and where they are missing they are downloaded or built; that takes up to ten minutes.

    Raises:
        BinariesError: no way of making them worked; the message has the reason of each.
    """
    return Binaries.in_folder(_from_assets(environment) or _kept(cache, origins, say).find_or_make())


def all_origins(cache: Path, say: Say) -> list[Origin]:
    """The release download where there is one for this machine, then the build."""
    origins = []
    release = release_archive.for_this_machine()
    if release is not None:
        origins.append(Origin(release.name, lambda folder: release_archive.fetch(release, PROGRAMS, folder, say)))
    built = Origin(go_build.cache_name(), lambda folder: go_build.build_all(folder, cache / "go", say))
    return [*origins, built]


def _kept(cache: Path | None, origins: Sequence[Origin] | None, say: Say) -> ProgramCache:
    cache = user_cache() if cache is None else cache
    return ProgramCache(
        what=_WHAT,
        programs=PROGRAMS,
        store=cache / "kubernetes",
        origins=all_origins(cache, say) if origins is None else origins,
        say=say,
    )


def _from_assets(environment: Mapping[str, str]) -> Path | None:
    folder = environment.get(ASSETS_VARIABLE)
    if not folder:
        return None
    missing = [program for program in PROGRAMS if not os.access(Path(folder) / program, os.X_OK)]
    if missing:
        raise BinariesError(
            f"{ASSETS_VARIABLE}={folder} has no {' and no '.join(missing)} that can be run; "
            "name a folder that has, or unset the variable"
        )
    return Path(folder).absolute()


def main() -> int:
    """Make sure the programs are there and print where."""
    try:
        found = find_or_make()
    except BinariesError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"etcd            {found.etcd}\nkube-apiserver  {found.kube_apiserver}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
