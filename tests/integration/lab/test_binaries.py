import fcntl
import threading
from pathlib import Path

import pytest

from lab.kubernetes.binaries import PROGRAMS, Binaries, BinariesError, find, find_or_make, user_cache
from lab.origin import Origin, OriginFailedError
from lab.wait import until

NOTHING: dict[str, str] = {}


class FakeOrigin:
    def __init__(self, folder: str, *, fails: str = "", programs: tuple[str, ...] = PROGRAMS) -> None:
        self.times = 0
        self.origin = Origin(folder, self.fill)
        self._fails = fails
        self._programs = programs

    def fill(self, folder: Path) -> None:
        self.times += 1
        if self._fails:
            raise OriginFailedError(self._fails)
        for program in self._programs:
            (folder / program).write_text(f"{self.origin.folder} {program}", encoding="ascii")
            (folder / program).chmod(0o755)


class Lines(list[str]):
    def __call__(self, line: str) -> None:
        self.append(line)


def made_by(binaries: Binaries) -> str:
    words = {path.read_text(encoding="ascii").split()[0] for path in (binaries.etcd, binaries.kube_apiserver)}
    (origin,) = words
    return origin


def test_a_folder_that_the_user_names_comes_before_the_cache(tmp_path: Path) -> None:
    cached, assets = FakeOrigin("release"), FakeOrigin("assets")
    find_or_make(tmp_path, [cached.origin], NOTHING, Lines())
    (tmp_path / "assets").mkdir()
    assets.fill(tmp_path / "assets")
    named = {"KUBEBUILDER_ASSETS": str(tmp_path / "assets")}
    assert made_by(find_or_make(tmp_path, [cached.origin], named, Lines())) == "assets"
    assert made_by(find(tmp_path, [cached.origin], named, Lines())) == "assets"


def test_a_named_folder_without_the_programs_is_an_error_and_no_reason_to_build(tmp_path: Path) -> None:
    origin = FakeOrigin("release")
    with pytest.raises(BinariesError, match=f"KUBEBUILDER_ASSETS={tmp_path} has no etcd and no kube-apiserver"):
        find_or_make(tmp_path / "cache", [origin.origin], {"KUBEBUILDER_ASSETS": str(tmp_path)}, Lines())
    assert origin.times == 0


def test_the_release_comes_before_the_build(tmp_path: Path) -> None:
    release, build = FakeOrigin("release"), FakeOrigin("build")
    assert made_by(find_or_make(tmp_path, [release.origin, build.origin], NOTHING, Lines())) == "release"
    assert (release.times, build.times) == (1, 0)


def test_where_the_release_fails_the_build_takes_its_place_and_the_reason_is_told(tmp_path: Path) -> None:
    release, build, lines = FakeOrigin("release", fails="no connection"), FakeOrigin("build"), Lines()
    assert made_by(find_or_make(tmp_path, [release.origin, build.origin], NOTHING, lines)) == "build"
    assert lines == ["no connection"]


def test_what_is_cached_is_not_made_again(tmp_path: Path) -> None:
    release, build = FakeOrigin("release", fails="no connection"), FakeOrigin("build")
    origins = [release.origin, build.origin]
    made = find_or_make(tmp_path, origins, NOTHING, Lines())
    lines = Lines()
    assert find_or_make(tmp_path, origins, NOTHING, lines) == made
    assert find(tmp_path, origins, NOTHING, lines) == made
    assert (release.times, build.times, lines) == (1, 1, [])


def test_a_new_pin_is_made_beside_the_old_one(tmp_path: Path) -> None:
    old, new = FakeOrigin("v1"), FakeOrigin("v2")
    find_or_make(tmp_path, [old.origin], NOTHING, Lines())
    assert made_by(find_or_make(tmp_path, [new.origin], NOTHING, Lines())) == "v2"
    assert made_by(find(tmp_path, [old.origin], NOTHING, Lines())) == "v1"


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "no sums"])
def test_a_damaged_cache_is_noticed_and_made_again(tmp_path: Path, damage: str) -> None:
    origin = FakeOrigin("release")
    made = find_or_make(tmp_path, [origin.origin], NOTHING, Lines())
    before = made.etcd.stat()
    match damage:
        case "changed":
            made.etcd.write_bytes(bytes([made.etcd.read_bytes()[0] ^ 1]) + made.etcd.read_bytes()[1:])
        case "cut":
            made.etcd.write_bytes(made.etcd.read_bytes()[:-1])
        case "gone":
            made.etcd.unlink()
        case _:
            (made.etcd.parent / "SHA256SUMS").unlink()
    lines = Lines()
    with pytest.raises(BinariesError, match="make setup"):
        find(tmp_path, [origin.origin], NOTHING, lines)
    assert made_by(find_or_make(tmp_path, [origin.origin], NOTHING, lines)) == "release"
    assert origin.times == 2
    assert "is damaged" in lines[0]
    assert made.etcd.stat().st_size == before.st_size


def test_the_sums_are_in_the_form_that_sha256sum_checks(tmp_path: Path) -> None:
    made = find_or_make(tmp_path, [FakeOrigin("release").origin], NOTHING, Lines())
    lines = (made.etcd.parent / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    assert [line[64:] for line in lines] == ["  etcd", "  kube-apiserver"]
    assert all(set(line[:64]) <= set("0123456789abcdef") for line in lines)


def test_when_nothing_works_every_reason_is_told(tmp_path: Path) -> None:
    release, build = FakeOrigin("release", fails="no connection"), FakeOrigin("build", fails="no Go")
    with pytest.raises(BinariesError, match="could not be made:\nno connection\nno Go"):
        find_or_make(tmp_path, [release.origin, build.origin], NOTHING, Lines())


def test_nothing_half_made_is_left_or_found(tmp_path: Path) -> None:
    half = FakeOrigin("build", programs=("etcd",))
    with pytest.raises(FileNotFoundError):
        find_or_make(tmp_path, [half.origin], NOTHING, Lines())
    assert [path.name for path in (tmp_path / "kubernetes").iterdir()] == ["lock"]


def test_with_an_empty_cache_one_is_told_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(BinariesError, match="make setup"):
        find(tmp_path, [FakeOrigin("release").origin], NOTHING, Lines())


def test_two_at_once_make_them_once(tmp_path: Path) -> None:
    (tmp_path / "kubernetes").mkdir()
    origin, lines, found = FakeOrigin("build"), Lines(), []

    def second() -> None:
        found.append(find_or_make(tmp_path, [origin.origin], NOTHING, lines))

    thread = threading.Thread(target=second)
    with (tmp_path / "kubernetes" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread.start()
        until("the second to wait", lambda: bool(lines), seconds=10)
        done = tmp_path / "kubernetes" / "build"
        find_or_make(tmp_path / "elsewhere", [origin.origin], NOTHING, Lines())
        (tmp_path / "elsewhere" / "kubernetes" / "build").rename(done)
    thread.join(10)
    assert [made_by(binaries) for binaries in found] == ["build"]
    assert origin.times == 1
    assert lines == ["another process is making etcd and kube-apiserver: waiting for it"]


def test_the_cache_is_where_the_desktop_standard_says() -> None:
    assert user_cache({"XDG_CACHE_HOME": "/somewhere"}) == Path("/somewhere/cachemon")
    assert user_cache({"XDG_CACHE_HOME": ""}) == Path.home() / ".cache" / "cachemon"
