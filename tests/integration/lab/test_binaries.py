import fcntl
import os
import threading
from pathlib import Path

import pytest

from lab.kubernetes.binaries import PROGRAMS, Binaries, built, find, find_or_make
from lab.kubernetes.go_build import ETCD, KUBE_APISERVER
from lab.program_cache import BinariesError, ProgramCache, keep_newest, user_cache
from lab.progress import Say
from lab.wait import until

NOTHING: dict[str, str] = {}


class FakeBuild:
    """Stands in for the build from Go modules."""

    def __init__(self, name: str = "v1", *, fails: str = "", programs: tuple[str, ...] = PROGRAMS) -> None:
        self.times = 0
        self._name = name
        self._fails = fails
        self._programs = programs

    def make(self, folder: Path) -> None:
        self.times += 1
        if self._fails:
            raise BinariesError(self._fails)
        for program in self._programs:
            (folder / program).write_text(f"{self._name} {program}", encoding="ascii")
            (folder / program).chmod(0o755)

    def cache(self, base: Path, say: Say = lambda _: None) -> ProgramCache:
        folder = base / "kubernetes" / self._name
        return ProgramCache("etcd and kube-apiserver", PROGRAMS, folder, self.make, say)


class Lines(list[str]):
    def __call__(self, line: str) -> None:
        self.append(line)


def made_by(binaries: Binaries) -> str:
    builds = {path.read_text(encoding="ascii").split()[0] for path in (binaries.etcd, binaries.kube_apiserver)}
    (build,) = builds
    return build


def test_a_folder_that_the_user_names_comes_before_the_cache(tmp_path: Path) -> None:
    cached = FakeBuild("cached").cache(tmp_path)
    find_or_make(cached, NOTHING)
    (tmp_path / "assets").mkdir()
    FakeBuild("assets").make(tmp_path / "assets")
    named = {"KUBEBUILDER_ASSETS": str(tmp_path / "assets")}
    assert made_by(find_or_make(cached, named)) == "assets"
    assert made_by(find(cached, named)) == "assets"


def test_a_named_folder_without_the_programs_is_an_error_and_no_reason_to_build(tmp_path: Path) -> None:
    build = FakeBuild()
    with pytest.raises(BinariesError, match=f"KUBEBUILDER_ASSETS={tmp_path} has no executable etcd and no kube-api"):
        find_or_make(build.cache(tmp_path / "cache"), {"KUBEBUILDER_ASSETS": str(tmp_path)})
    assert build.times == 0


def test_what_is_cached_is_not_made_again(tmp_path: Path) -> None:
    build, lines = FakeBuild(), Lines()
    cache = build.cache(tmp_path, lines)
    made = find_or_make(cache, NOTHING)
    assert find_or_make(cache, NOTHING) == made
    assert find(cache, NOTHING) == made
    assert (build.times, lines) == (1, [])


def test_a_new_pin_is_made_beside_the_old_one(tmp_path: Path) -> None:
    old, new = FakeBuild("v1").cache(tmp_path), FakeBuild("v2").cache(tmp_path)
    find_or_make(old, NOTHING)
    assert made_by(find_or_make(new, NOTHING)) == "v2"
    assert made_by(find(old, NOTHING)) == "v1"


def test_the_projects_own_cache_names_both_versions() -> None:
    folder = built(Path("/cache")).folder
    assert folder.parent == Path("/cache/kubernetes")
    assert KUBE_APISERVER.version in folder.name
    assert ETCD.version in folder.name


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "no sums"])
def test_a_damaged_cache_is_noticed_and_made_again(tmp_path: Path, damage: str) -> None:
    build, lines = FakeBuild(), Lines()
    cache = build.cache(tmp_path, lines)
    made = find_or_make(cache, NOTHING)
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
    with pytest.raises(BinariesError, match="make setup"):
        find(cache, NOTHING)
    assert made_by(find_or_make(cache, NOTHING)) == "v1"
    assert build.times == 2
    assert "is damaged" in lines[0]
    assert made.etcd.stat().st_size == before.st_size


def test_the_sums_are_in_the_form_that_sha256sum_checks(tmp_path: Path) -> None:
    made = find_or_make(FakeBuild().cache(tmp_path), NOTHING)
    lines = (made.etcd.parent / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    assert [line[64:] for line in lines] == ["  etcd", "  kube-apiserver"]
    assert all(set(line[:64]) <= set("0123456789abcdef") for line in lines)


def test_a_failed_build_gives_its_reason(tmp_path: Path) -> None:
    with pytest.raises(BinariesError, match="etcd and kube-apiserver could not be made:\nno Go"):
        find_or_make(FakeBuild(fails="no Go").cache(tmp_path), NOTHING)


def test_nothing_half_made_is_left_or_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_or_make(FakeBuild(programs=("etcd",)).cache(tmp_path), NOTHING)
    assert [path.name for path in (tmp_path / "kubernetes").iterdir()] == ["lock"]


def test_with_an_empty_cache_the_message_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(BinariesError, match="make setup"):
        find(FakeBuild().cache(tmp_path), NOTHING)


def test_two_at_once_make_them_once(tmp_path: Path) -> None:
    (tmp_path / "kubernetes").mkdir()
    build, lines, found = FakeBuild(), Lines(), []

    def second() -> None:
        found.append(find_or_make(build.cache(tmp_path, lines), NOTHING))

    thread = threading.Thread(target=second)
    with (tmp_path / "kubernetes" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread.start()
        until("the second to wait", lambda: bool(lines), seconds=10)
        find_or_make(build.cache(tmp_path / "elsewhere"), NOTHING)
        (tmp_path / "elsewhere" / "kubernetes" / "v1").rename(tmp_path / "kubernetes" / "v1")
    thread.join(10)
    assert [made_by(binaries) for binaries in found] == ["v1"]
    assert build.times == 1
    assert lines == ["another process is making etcd and kube-apiserver: waiting for it"]


def test_the_cache_is_where_the_desktop_standard_says() -> None:
    assert user_cache({"XDG_CACHE_HOME": "/somewhere"}) == Path("/somewhere/cachemon")
    assert user_cache({"XDG_CACHE_HOME": ""}) == Path.home() / ".cache" / "cachemon"


def test_of_what_is_cached_what_was_used_last_stays(tmp_path: Path) -> None:
    for age, name in enumerate(("d.tar", "b.tar", "a.tar", "c.tar")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    (tmp_path / "older.cpio").touch()
    os.utime(tmp_path / "older.cpio", (0, 0))
    keep_newest(tmp_path, "*.tar", 2)
    assert {path.name for path in tmp_path.iterdir()} == {"d.tar", "b.tar", "older.cpio"}
