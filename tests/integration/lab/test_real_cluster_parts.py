"""The parts of a real cluster that need no root."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lab.kubernetes import go_build
from lab.nodes.buildah import Recipe
from lab.nodes.cgroups import NodeCgroups, remove_left_behind
from lab.nodes.guide import guide
from lab.nodes.images import AGENT, EMULATOR, OPERATOR, PAUSE, VIRT_LAUNCHER, launcher_context, recipes
from lab.nodes.machine import why_not
from lab.repository import REPOSITORY


def a_hierarchy(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True)
    for name in ("cgroup.procs", *files):
        (folder / name).write_text("0-1\n")
    return folder


def test_a_node_gets_a_cgroup_in_every_hierarchy_of_version_1(tmp_path: Path) -> None:
    for name in ("cpu", "memory"):
        a_hierarchy(tmp_path / name, "tasks")
    (tmp_path / "no-hierarchy").mkdir()
    cgroups = NodeCgroups("node01", tmp_path, pid=7)
    cgroups.make()
    assert cgroups.path == "/cachemon-lab-7/node01"
    for name in ("cpu", "memory"):
        assert (tmp_path / name / "cachemon-lab-7" / "node01").is_dir()
    cgroups.remove()
    assert not list(tmp_path.glob("*/cachemon-lab-*"))
    assert not list((tmp_path / "no-hierarchy").iterdir())


def test_a_cgroup_of_version_1_inherits_the_cpus_that_it_would_not_have(tmp_path: Path) -> None:
    a_hierarchy(tmp_path / "cpuset", "tasks", "cpuset.cpus", "cpuset.mems")
    NodeCgroups("node01", tmp_path, pid=7).make()
    assert (tmp_path / "cpuset" / "cachemon-lab-7" / "node01" / "cpuset.cpus").read_text() == "0-1\n"


def test_in_version_2_controllers_are_passed_on(tmp_path: Path) -> None:
    hierarchy = a_hierarchy(tmp_path / "cgroup", "cgroup.subtree_control", "cpuset.cpus")
    (hierarchy / "cgroup.controllers").write_text("cpu memory\n")
    NodeCgroups("node01", hierarchy, pid=7).make()
    assert (hierarchy / "cgroup.subtree_control").read_text() == "+memory"  # the last of the writes
    assert not (hierarchy / "cachemon-lab-7" / "cpuset.cpus").exists()


def test_only_what_a_dead_lab_left_is_removed(tmp_path: Path) -> None:
    hierarchy = a_hierarchy(tmp_path / "cpu", "tasks")
    with subprocess.Popen(["true"]) as process:
        process.wait()
    for pid in (process.pid, os.getpid()):
        (hierarchy / f"cachemon-lab-{pid}" / "node01").mkdir(parents=True)
    remove_left_behind(tmp_path)
    assert [path.name for path in hierarchy.glob("cachemon-lab-*")] == [f"cachemon-lab-{os.getpid()}"]


def test_the_error_for_an_ordinary_user_says_why_there_is_no_cluster() -> None:
    assert why_not(uid=1000) == "only root can start a kubelet: sudo make cluster"


def test_missing_packages_are_named(tmp_path: Path) -> None:
    reason = why_not(0, lambda program: None if program == "runc" else program, tmp_path / "bridge")
    assert reason is not None
    assert reason.endswith("apt-get install --no-install-recommends runc containernetworking-plugins")


def test_another_content_is_another_image(tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text("FROM scratch\n")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").write_text("1")
    recipe = Recipe("localhost/x:lab", tmp_path / "Containerfile", tmp_path, [tmp_path / "source"])
    before = recipe.digest()
    assert recipe.digest() == before
    (tmp_path / "source" / "__pycache__").mkdir()
    (tmp_path / "source" / "__pycache__" / "a.pyc").write_text("made anew at every run")
    assert recipe.digest() == before
    (tmp_path / "source" / "a").write_text("2")
    assert recipe.digest() != before


def test_there_is_an_image_for_all_that_runs_in_a_pod(tmp_path: Path) -> None:
    found = recipes("base", tmp_path)
    assert {recipe.name for recipe in found} == {OPERATOR, AGENT, EMULATOR, VIRT_LAUNCHER, PAUSE}
    for recipe in found:
        stages = re.findall(r"^FROM \S+ AS (\S+)$", recipe.containerfile.read_text(), re.MULTILINE)
        assert not recipe.target or recipe.target in stages
        assert all(source.exists() for source in recipe.sources)


def test_the_context_of_the_images_has_what_they_copy_and_little_else() -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (REPOSITORY / "Containerfile").read_text(), re.MULTILINE)
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert {name.split("/")[0] for names in copied for name in names.split()} == let_in


def test_every_program_of_a_node_has_its_checksums_committed() -> None:
    for program in (*go_build.NODE_PROGRAMS, *go_build.KIND_NODE_PROGRAMS, go_build.KIND):
        sums = (program.module / "go.sum").read_text(encoding="utf-8")
        assert f"{program.pinned} {program.version} h1:" in sums
    versions = {program.version for program in (*go_build.NODE_PROGRAMS, *go_build.KIND_NODE_PROGRAMS)}
    assert versions == {go_build.KUBE_APISERVER.version}


def test_the_guide_names_the_kubeconfig_and_commands_that_exist(tmp_path: Path) -> None:
    text = guide(tmp_path / "admin.kubeconfig", "the end")
    assert f"export KUBECONFIG={tmp_path / 'admin.kubeconfig'}" in text
    assert "kubectl cachemon top" in text


def test_the_launchers_image_has_every_module_that_the_launcher_imports(tmp_path: Path) -> None:
    """Alone in its folder, as in the image, which has no other Python package."""
    with launcher_context() as context:
        shutil.copytree(context / "lab", tmp_path / "lab")
    done = subprocess.run(
        [sys.executable, "-S", tmp_path / "lab/vms/pod_launcher.py", "--help"],
        env={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
