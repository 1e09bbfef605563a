"""Parts of Kubernetes built from Go modules, with every source file checked against the committed go.sum.

`go install PACKAGE@VERSION` can't build kube-apiserver (kubernetes/kubernetes#79384: the `replace` lines of a
dependency are ignored), so `lab/kubernetes/sources/` has Go modules that repeat them. The pinned versions are in
those go.mod files and nowhere else.
"""

import collections
import json
import os
import platform
import re
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from lab.kubernetes import go_toolchain
from lab.program_cache import BinariesError
from lab.progress import Progress, Say

_MODULES = Path(__file__).parent / "sources"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_POLL_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Program:
    """One program and the Go module that pins its sources.

    Args:
        name: the file that is made.
        module: the folder with go.mod and go.sum.
        package: what is built.
        pinned: the module in go.mod whose version is the program's.
        takes: for the message: how long it took with nothing cached.
        names_version: whether the version is linked in; the server calls itself v0.0.0-master otherwise, and
            clients warn or refuse.
    """

    name: str
    module: Path
    package: str
    pinned: str
    takes: str
    names_version: bool = False

    @property
    def version(self) -> str:
        """The pinned version, `v1.36.3`."""
        go_mod = (self.module / "go.mod").read_text(encoding="utf-8")
        match = re.search(rf"^(?:require)?\s*{re.escape(self.pinned)} (v\S+)", go_mod, re.MULTILINE)
        if match is None:
            raise BinariesError(f"{self.module}/go.mod does not require {self.pinned}")
        return match[1]

    def linker_flags(self) -> str:
        """No symbol tables (a third less on disk), and the version where the program shows it."""
        flags = ["-s", "-w"]
        if self.names_version:
            major, minor, _ = self.version.removeprefix("v").split(".")
            variable = "k8s.io/component-base/version"
            flags += [
                f"-X {variable}.gitVersion={self.version}",
                f"-X {variable}.gitMajor={major}",
                f"-X {variable}.gitMinor={minor}",
            ]
        return " ".join(flags)


ETCD = Program("etcd", _MODULES / "etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", "about 2 minutes")


def _of_kubernetes(name: str, takes: str) -> Program:
    package, pinned = f"k8s.io/kubernetes/cmd/{name}", "k8s.io/kubernetes"
    return Program(name, _MODULES / "kubernetes", package, pinned, takes, names_version=True)


KUBE_APISERVER = _of_kubernetes("kube-apiserver", "about 7 minutes")
# After the API server these take 90, 49 and 8 seconds: most of what they share is compiled.
NODE_PROGRAMS = (
    _of_kubernetes("kubelet", "about 8 minutes"),
    _of_kubernetes("kube-controller-manager", "about 8 minutes"),
    _of_kubernetes("kube-scheduler", "about 7 minutes"),
)
KIND_NODE_PROGRAMS = (_of_kubernetes("kubeadm", "about 3 minutes"), _of_kubernetes("kube-proxy", "about 4 minutes"))

KIND = Program("kind", _MODULES / "kind", "sigs.k8s.io/kind", "sigs.k8s.io/kind", "less than a minute")


def cache_name(parts: str = "") -> str:
    """The name of the built programs' folder in the cache.

    Args:
        parts: between the versions and the platform, as for others than the API server and etcd.
    """
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    return f"kubernetes-{KUBE_APISERVER.version}-{parts or f'etcd-{ETCD.version}'}-linux-{architecture}"


def build_all(folder: Path, toolchains: Path, say: Say, programs: Sequence[Program] = (ETCD, KUBE_APISERVER)) -> None:
    """Build programs into `folder`.

    Raises:
        BinariesError: no Go toolchain, or a build failed; the message has the end of Go's output.
    """
    go = go_toolchain.find_or_install(toolchains, say)
    for program in programs:
        say(
            f"building {program.name} {program.version} from Go modules, "
            f"{program.takes} on 2 cores if nothing is cached"
        )
        build(program, go, folder)
    say(_about_caches(go))


def build(program: Program, go: Path, folder: Path) -> None:
    """Build one program.

    Raises:
        BinariesError: the build failed.
    """
    command: list[str | Path] = [
        go, "build", "-v", "-trimpath", "-buildvcs=false",
        "-ldflags", program.linker_flags(), "-o", folder / program.name, program.package,
    ]  # fmt: skip
    with subprocess.Popen(
        command,
        cwd=program.module,
        env=build_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            output = _follow(process, Progress(f"building {program.name}"))
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise BinariesError(f"building {program.name} failed:\n" + "\n".join(output.tail))


def module_folder(program: Program, go: Path) -> Path:
    """Where Go keeps the files of a program's pinned module; downloaded where it is missing.

    Raises:
        BinariesError: it could not be downloaded.
    """
    done = subprocess.run(
        [go, "mod", "download", "-json", program.pinned],
        cwd=program.module,
        env=build_environment(os.environ) | {"GOFLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BinariesError(f"{program.pinned} can't be downloaded: {done.stdout}{done.stderr}")
    return Path(json.loads(done.stdout)["Dir"])


def build_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The user's environment (proxies and caches hold) without what would change what is built.

    cgo is off, as in Kubernetes' own releases: no C compiler is needed and the programs are static. Modules
    are read-only: what go.sum does not know is refused.
    """
    fixed = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    return {**inherited, **fixed}


@dataclass(slots=True)
class GoOutput:
    """Counts the lines of `go build -v` on standard error: one for a download, one for a package."""

    downloaded: int = 0
    packages: int = 0
    tail: collections.deque[str] = field(default_factory=lambda: collections.deque(maxlen=30))

    def read(self, line: str) -> None:
        """Take one line."""
        if line.startswith("go: downloading "):
            self.downloaded += 1
        elif re.fullmatch(r"[\w./~-]+", line):
            self.packages += 1
        else:
            self.tail.append(line)

    def summary(self) -> str:
        """For the progress line."""
        return f"{self.downloaded} modules downloaded, {self.packages} packages compiled"


def _follow(process: subprocess.Popen[str], progress: Progress) -> GoOutput:
    """Show progress until the build has ended; linking says nothing for a minute, so the clock is shown."""
    output = GoOutput()
    if process.stderr is None:
        raise ValueError("the process was started without a pipe for its standard error")
    reader = threading.Thread(target=_read_all, args=(process.stderr, output.read), daemon=True)
    reader.start()
    while True:
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            progress.update(output.summary())
            continue
        reader.join()
        progress.finish(output.summary())
        return output


def _read_all(stream: TextIO, read: Callable[[str], None]) -> None:
    for line in stream:
        read(line.rstrip("\n"))


def _about_caches(go: Path) -> str:
    done = subprocess.run([go, "env", "GOCACHE", "GOMODCACHE"], capture_output=True, text=True, check=False)
    sizes = " and ".join(f"{_bytes_under(Path(line)) / 1e9:.1f} GB in {line}" for line in done.stdout.split())
    return f"Go keeps {sizes} for the next build; `{go} clean -cache -modcache` drops both"


def _bytes_under(folder: Path) -> int:
    """What the files take; files that vanish meanwhile count as nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
