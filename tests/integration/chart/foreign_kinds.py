"""The CRDs of kinds that are no part of Kubernetes, as their projects publish them: in the sources of Go modules.

They stay in Go's own cache. 9 MB are downloaded, once.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lab.kubernetes import go_toolchain
from lab.kubernetes.go_build import build_environment
from lab.program_cache import BinariesError, user_cache
from lab.speed import allowance

DOWNLOAD_SECONDS = 90


class Source(NamedTuple):
    """Where CRDs are.

    Attributes:
        module: path and version of the Go module.
        sum: what the module hashes to, as in a go.sum.
        files: in the module.
    """

    module: str
    sum: str
    files: tuple[str, ...]


_PROMETHEUS = "example/prometheus-operator-crd/monitoring.coreos.com_{}.yaml"
SOURCES = (
    Source(
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        tuple(_PROMETHEUS.format(kind) for kind in ("podmonitors", "servicemonitors", "prometheusrules")),
    ),
    Source(
        "sigs.k8s.io/node-feature-discovery@v0.18.2",
        "h1:n9HJNr4IXiL65nPOHp1LBz9luKh1S6lPvoASpuPdWos=",
        ("deployment/base/nfd-crds/nfd-api-crds.yaml",),
    ),
    Source(
        "github.com/openshift/api@v0.0.0-20240524162738-d899f8877d22",
        "h1:AW8KUN4k7qR2egrCCe3x95URHQ3N188+a/b0qpRyAHg=",
        ("payload-manifests/crds/0000_03_config-operator_01_securitycontextconstraints.crd.yaml",),
    ),
)
GROUPS = ("monitoring.coreos.com", "nfd.k8s-sigs.io", "security.openshift.io")


def crd_files() -> list[Path]:
    """All of them.

    Raises:
        BinariesError: there is no Go 1.26, or the modules can't be had; the message says why.
    """
    return list(_files())


def _files() -> Iterator[Path]:
    go = go_toolchain.find_or_install(user_cache() / "go", lambda _line: None, install=_refuse)
    for source in SOURCES:
        done = subprocess.run(
            [go, "mod", "download", "-json", source.module],
            cwd="/",  # in no module
            env=build_environment(os.environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=allowance(DOWNLOAD_SECONDS),
        )
        if done.returncode != 0:
            raise BinariesError(f"{source.module}: {done.stdout.strip()} {done.stderr.strip()}")
        answer = json.loads(done.stdout)
        assert answer["Sum"] == source.sum, f"{source.module} is not what it was"
        yield from (Path(answer["Dir"]) / file for file in source.files)


def _refuse(_target: Path) -> None:
    raise BinariesError("no Go 1.26 or newer on PATH")
