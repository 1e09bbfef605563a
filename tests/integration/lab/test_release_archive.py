import base64
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kubernetes.release_archive import Release, fetch, for_this_machine, unpack
from lab.origin import OriginFailedError
from lab.ports import LOOPBACK, free_port

PROGRAMS = ("etcd", "kube-apiserver")
GOOD = {f"controller-tools/envtest/{name}": name.encode() for name in (*PROGRAMS, "kubectl")}


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


def an_archive(files: dict[str, bytes], *others: tarfile.TarInfo) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for info in others:
            archive.addfile(info)
        for name, text in files.items():
            archive.addfile(member(name, size=len(text)), io.BytesIO(text))
    return content.getvalue()


def sha512(content: bytes) -> str:
    return base64.b64encode(hashlib.sha512(content).digest()).decode()


class OneAnswer(http.server.BaseHTTPRequestHandler):
    content = b""

    def do_GET(self) -> None:
        found = self.path == "/archive.tar.gz"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(self.content) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(self.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), OneAnswer) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://{LOOPBACK}:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_release_is_downloaded_and_unpacked(server: str, tmp_path: Path) -> None:
    OneAnswer.content = an_archive(GOOD)
    release = Release("test", f"{server}/archive.tar.gz", sha512(OneAnswer.content))
    lines: list[str] = []
    fetch(release, PROGRAMS, tmp_path, lines.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["etcd", "kube-apiserver"]
    assert (tmp_path / "etcd").read_bytes() == b"etcd"
    assert (tmp_path / "kube-apiserver").stat().st_mode & 0o777 == 0o755
    assert lines == [f"downloading {server}/archive.tar.gz"]


def test_another_checksum_is_refused_before_anything_is_unpacked(server: str, tmp_path: Path) -> None:
    OneAnswer.content = an_archive(GOOD)
    release = Release("test", f"{server}/archive.tar.gz", sha512(b"something else"))
    with pytest.raises(OriginFailedError, match="the release is refused: SHA-512"):
        fetch(release, PROGRAMS, tmp_path, lambda _: None)
    assert not (tmp_path / "etcd").exists()


def test_a_missing_release_and_a_missing_server_are_failures_of_the_origin(server: str, tmp_path: Path) -> None:
    for url in (f"{server}/nothing", f"http://{LOOPBACK}:{free_port()}/archive.tar.gz"):
        with pytest.raises(OriginFailedError, match="can't be downloaded"):
            fetch(Release("test", url, ""), PROGRAMS, tmp_path, lambda _: None)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (member("../outside"), "lies outside"),
        (member("/etc/passwd"), "lies outside"),
        (member("controller-tools/envtest/../../etcd"), "lies outside"),
        (member("controller-tools/envtest/etcd", tarfile.SYMTYPE, link="/bin/sh"), "a link or a device"),
        (member("controller-tools/envtest/etcd", tarfile.LNKTYPE, link="/bin/sh"), "a link or a device"),
        (member("controller-tools/envtest/zero", tarfile.CHRTYPE), "a link or a device"),
    ],
)
def test_an_archive_with_an_unsafe_member_is_refused(tmp_path: Path, bad: tarfile.TarInfo, reason: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "archive.tar.gz").write_bytes(an_archive(GOOD, bad))
    with pytest.raises(OriginFailedError, match=reason):
        unpack(inside / "archive.tar.gz", PROGRAMS, inside)
    assert [path.name for path in inside.iterdir()] == ["archive.tar.gz"]
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


def test_programs_elsewhere_in_the_archive_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "archive.tar.gz").write_bytes(an_archive({"etcd": b"", "other/kube-apiserver": b""}))
    with pytest.raises(OriginFailedError, match="no controller-tools/envtest/etcd"):
        unpack(tmp_path / "archive.tar.gz", PROGRAMS, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive", an_archive(GOOD)[:60]], ids=["empty", "text", "cut"])
def test_what_is_no_archive_is_a_failure_of_the_origin(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "archive.tar.gz").write_bytes(content)
    with pytest.raises(OriginFailedError, match=r"can't be unpacked|has no"):
        unpack(tmp_path / "archive.tar.gz", PROGRAMS, tmp_path)


def test_the_pinned_release_of_this_machine_has_a_whole_checksum() -> None:
    release = for_this_machine()
    if release is None:
        pytest.skip("no release is pinned for this architecture")
    assert len(base64.b64decode(release.sha512, validate=True)) == 64
    assert release.name in release.url
