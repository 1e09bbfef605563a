"""Where etcd and kube-apiserver come from: found, or made once and kept in the user's cache folder.

The order: `$KUBEBUILDER_ASSETS` (a folder with both, as controller-runtime's setup-envtest makes it), the
cache, the official release (`lab.release_archive`), a build from Go modules (`lab.go_build`).

`python -m lab.binaries` does all of that and prints where they are; `make setup` runs it.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import go_build, release_archive
from lab.origin import Origin, OriginFailedError
from lab.progress import Say, say_on_stderr

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
PROGRAMS = ("etcd", "kube-apiserver")

_SUMS = "SHA256SUMS"


class BinariesError(Exception):
    """etcd and kube-apiserver are not there and could not be made."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """The two programs of the local Kubernetes."""

    etcd: Path
    kube_apiserver: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "Binaries":
        """Both in one folder, under their own names."""
        return cls(*(folder / program for program in PROGRAMS))


def user_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """The project's folder in the user's cache (XDG Base Directory)."""
    base = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cachemon"


def find(
    cache: Path | None = None,
    origins: Sequence[Origin] | None = None,
    environment: Mapping[str, str] = os.environ,
    say: Say = say_on_stderr,
) -> Binaries:
    """The programs from `$KUBEBUILDER_ASSETS` or the cache.

    Cached programs are compared with their checksums on every use: that takes 0.1 to 0.4 s for 130 MB,
    against the 3 s that the servers need to start, and it also notices what size and time of a file don't
    show.

    Raises:
        BinariesError: they are in neither place, or `$KUBEBUILDER_ASSETS` names a folder without them.
    """
    cache = user_cache(environment) if cache is None else cache
    origins = all_origins(cache, say) if origins is None else origins
    found = _from_assets(environment) or _from_cache(cache / "kubernetes", origins, say)
    if found is None:
        raise BinariesError("no etcd and kube-apiserver in the cache; `make setup` puts them there")
    return found


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
    cache = user_cache(environment) if cache is None else cache
    origins = all_origins(cache, say) if origins is None else origins
    store = cache / "kubernetes"
    found = _from_assets(environment) or _from_cache(store, origins, say)
    if found is not None:
        return found
    store.mkdir(parents=True, exist_ok=True)
    with _locked(store / "lock", say):
        # Who waited for the lock finds what the other made.
        return _from_cache(store, origins, say) or _make(store, origins, say)


def all_origins(cache: Path, say: Say) -> list[Origin]:
    """The release download where there is one for this machine, then the build."""
    origins = []
    release = release_archive.for_this_machine()
    if release is not None:
        origins.append(Origin(release.name, lambda folder: release_archive.fetch(release, PROGRAMS, folder, say)))
    built = Origin(go_build.cache_name(), lambda folder: go_build.build_all(folder, cache / "go", say))
    return [*origins, built]


def _from_assets(environment: Mapping[str, str]) -> Binaries | None:
    folder = environment.get(ASSETS_VARIABLE)
    if not folder:
        return None
    missing = [program for program in PROGRAMS if not os.access(Path(folder) / program, os.X_OK)]
    if missing:
        raise BinariesError(
            f"{ASSETS_VARIABLE}={folder} has no {' and no '.join(missing)} that can be run; "
            "name a folder that has, or unset the variable"
        )
    return Binaries.in_folder(Path(folder).absolute())


def _from_cache(store: Path, origins: Sequence[Origin], say: Say) -> Binaries | None:
    for origin in origins:
        folder = store / origin.folder
        if not folder.exists():
            continue
        if _sums_hold(folder):
            return Binaries.in_folder(folder)
        say(f"{folder} is damaged (checksums differ): making it again")
    return None


def _sums_hold(folder: Path) -> bool:
    try:
        return (folder / _SUMS).read_text(encoding="ascii") == _sums_of(folder)
    except OSError:
        return False


def _sums_of(folder: Path) -> str:
    """In the form of sha256sum(1), so that a person can check it as well."""
    lines = []
    for program in PROGRAMS:
        with (folder / program).open("rb") as content:
            lines.append(f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {program}\n")
    return "".join(lines)


def _make(store: Path, origins: Sequence[Origin], say: Say) -> Binaries:
    failures = []
    for origin in origins:
        # Made beside its place and renamed into it: nobody ever sees half of it.
        with tempfile.TemporaryDirectory(dir=store, prefix="making-") as temporary:
            made = Path(temporary) / origin.folder
            made.mkdir()
            try:
                origin.fill(made)
            except OriginFailedError as error:
                say(str(error))
                failures.append(str(error))
                continue
            (made / _SUMS).write_text(_sums_of(made), encoding="ascii")
            shutil.rmtree(store / origin.folder, ignore_errors=True)
            made.rename(store / origin.folder)
        return Binaries.in_folder(store / origin.folder)
    raise BinariesError("etcd and kube-apiserver could not be made:\n" + "\n".join(failures))


@contextmanager
def _locked(path: Path, say: Say) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is making etcd and kube-apiserver: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
