"""The parts of `make kind` that need no container engine."""

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.kind import node_image
from lab.kind.cluster import WORKERS, KindCluster, KindError, NoNodeImageError, configuration
from lab.kind.engines import Engine, build_arguments, engine_of
from lab.kind.own_docker import why_not
from lab.kind.pod_network import routes
from lab.kind.programs import pack
from lab.kind.runtime import available, limit_file
from lab.kubernetes import go_build
from lab.nodes.images import AGENT, recipes
from lab.repository import REPOSITORY, SOURCES

OFFERED = {"CAP_CHOWN", "CAP_SYS_ADMIN"}
WANTED = ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"]


@pytest.mark.parametrize(
    ("there", "answers", "engine"),
    [
        ({"docker", "podman"}, {"docker", "podman"}, "docker"),
        ({"docker", "podman"}, {"podman"}, "podman"),
        ({"docker"}, set(), None),
        (set(), set(), None),
    ],
)
def test_kind_takes_the_engine_that_answers(there: set[str], answers: set[str], engine: str | None) -> None:
    found = engine_of(
        lambda name: f"/usr/bin/{name}" if name in there else None, lambda command: 0 if command[0] in answers else 1
    )
    assert found == engine


def test_without_an_engine_make_kind_says_so_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab.kind"],
        env={"PATH": str(tmp_path), "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("no kind cluster: neither docker nor podman answers here, and no dockerd is installed; ")


@pytest.mark.parametrize(
    ("uid", "there", "reason"),
    [(0, {"dockerd"}, None), (1000, {"dockerd"}, "only root can start one"), (0, set(), "no dockerd is installed")],
)
def test_root_can_start_a_docker_where_one_is_installed(uid: int, there: set[str], reason: str | None) -> None:
    assert why_not(uid, lambda program: program if program in there else None) == reason


def test_an_engine_builds_by_the_same_recipe(tmp_path: Path) -> None:
    agent = next(recipe for recipe in recipes("debian:13-slim", tmp_path) if recipe.name == AGENT)
    assert build_arguments(agent) == [
        *("build", f"--tag={AGENT}", f"--file={REPOSITORY / 'Containerfile'}", "--target=agent"),
        *("--build-arg=BASE=debian:13-slim", REPOSITORY),
    ]


@pytest.mark.parametrize(
    ("says", "error"), [('failed to pull image "kindest/node"', NoNodeImageError), ("something else", KindError)]
)
def test_a_node_image_that_cannot_be_pulled_is_an_error_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], says: str, error: type[KindError]
) -> None:
    kind = tmp_path / "kind"
    kind.write_text(f"#!/bin/sh\ncat >/dev/null\necho 'ERROR: failed to create cluster: {says}' >&2\nexit 1\n")
    kind.chmod(0o755)
    with pytest.raises(KindError) as raised:
        KindCluster(kind, Engine("docker", {}), tmp_path / "kubeconfig", print).make()
    assert type(raised.value) is error
    assert says in capfd.readouterr().err  # a person sees what kind says


def test_nodes_of_kinds_own_image_get_kinds_own_network_and_kubeadm() -> None:
    made = configuration(None)
    assert [node["role"] for node in made["nodes"]] == ["control-plane", *("worker" for _ in WORKERS)]
    assert made["networking"] == {}
    assert "kubeadmConfigPatches" not in made


def test_nodes_of_our_image_run_the_versions_that_are_in_it() -> None:
    made = configuration(7443, own_image=True)
    assert made["networking"] == {"apiServerPort": 7443, "disableDefaultCNI": True}
    patches = {patch["kind"]: patch for patch in map(yaml.safe_load, made["kubeadmConfigPatches"])}
    assert patches["ClusterConfiguration"]["imageRepository"] == "localhost"
    assert patches["ClusterConfiguration"]["etcd"]["local"]["imageTag"] == go_build.ETCD.version
    assert patches["KubeletConfiguration"]["failCgroupV1"] is False


def test_the_containerfile_of_a_node_asks_for_arguments_that_it_is_given() -> None:
    text = (Path(node_image.__file__).parent / "Node.Containerfile").read_text()
    assert set(re.findall(r"^ARG (\w+)$", text, re.MULTILINE)) == {"BASE", "PAUSE", "VERSION"}


def test_kinds_files_get_back_the_modes_that_a_go_module_loses(tmp_path: Path) -> None:
    for name in ("kind/bin/script.sh", "usr/local/bin/entrypoint", "etc/containerd/config.toml"):
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).touch(mode=0o444)
    pack(tmp_path / "files", tmp_path / "files.tar")
    with tarfile.open(tmp_path / "files.tar") as packed:
        modes = {member.name: member.mode for member in packed if member.isfile()}
        owners = {(member.uid, member.gid) for member in packed}
    assert modes == {
        "etc/containerd/config.toml": 0o644,
        "kind/bin/script.sh": 0o755,
        "usr/local/bin/entrypoint": 0o755,
    }
    assert owners == {(0, 0)}


def test_the_runtime_knows_what_this_machines_root_can_have() -> None:
    dump = subprocess.run(["setpriv", "--dump"], capture_output=True, text=True, check=True).stdout
    (line,) = re.findall(r"^CapBnd:\s+(\w+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert len(available(dump)) == int(line, 16).bit_count()


@pytest.mark.parametrize("command", ["create", "exec"])
def test_a_container_asks_for_no_capability_that_there_is_not(tmp_path: Path, command: str) -> None:
    process = {"args": ["sh"], "capabilities": {"bounding": WANTED, "effective": WANTED}}
    content, file = (process, "process.json") if command == "exec" else ({"process": process}, "config.json")
    (tmp_path / file).write_text(json.dumps(content))
    where = ("--process", str(tmp_path / file)) if command == "exec" else ("--bundle", str(tmp_path))
    limit_file(["--log", "x", command, *where, "id"], OFFERED)
    changed: dict[str, Any] = json.loads((tmp_path / file).read_text())
    changed = changed if command == "exec" else changed["process"]
    assert changed == {"args": ["sh"], "capabilities": dict.fromkeys(("bounding", "effective"), sorted(OFFERED))}


def test_commands_that_start_nothing_change_nothing() -> None:
    limit_file(["delete", "--force", "id"], OFFERED)


def test_every_node_has_a_route_to_the_pods_of_the_others() -> None:
    nodes = [
        {
            "metadata": {"name": name},
            "spec": {"podCIDR": f"10.244.{number}.0/24"},
            "status": {"addresses": [{"type": "InternalIP", "address": f"172.18.0.{number}"}]},
        }
        for number, name in enumerate(("a", "b", "c"), start=1)
    ]
    assert list(routes(nodes, "b")) == [("10.244.1.0/24", "172.18.0.1"), ("10.244.3.0/24", "172.18.0.3")]
