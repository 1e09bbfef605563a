"""What a person meets in the first minute: no cluster, no right, no CRDs, and the flags that they type."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cachemon import __version__
from cachemon.plugin.advice import role_for
from lab.kubernetes.cluster_api import kubectl_program
from tests.unit.plugin.fake_api import GROUPS, NODES, Plugin, block, cmg, cmn, group_status

XML = """<domain type="kvm"><name>tenant-a_vm3</name><vcpu>4</vcpu>
<cputune><cachetune vcpus="0-3"><monitor level="3" vcpus="0-1"/></cachetune></cputune></domain>"""


def run(
    *arguments: str, cwd: Path, python: str | Path = sys.executable, programs: str = "/usr/bin:/bin"
) -> "subprocess.CompletedProcess[str]":
    path = ":".join(filter(None, sys.path))
    environment = {"PATH": f"{Path(python).parent}:{programs}", "HOME": str(cwd), "PYTHONPATH": path}
    command = [python, "-m", "cachemon.plugin.main", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, check=False, capture_output=True, text=True)


def test_without_a_kubeconfig_one_line_says_how_to_choose_a_cluster(tmp_path: Path) -> None:
    done = run("top", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "error: no context is chosen: set KUBECONFIG, or choose one with --context (kubectl config get-contexts)\n"
    )


def test_the_advice_is_for_the_kubeconfig_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "a b").write_text("{apiVersion: v1, kind: Config}")
    done = run("top", "--kubeconfig", "a b", "--token=abc", cwd=tmp_path)
    assert done.stderr.endswith("with --context (kubectl --kubeconfig='a b' config get-contexts)\n")


def test_openshifts_oc_serves_where_there_is_no_kubectl(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    without = run("top", "--context=z", cwd=tmp_path, python=python, programs="")
    assert without.stderr.startswith("error: kubectl is not on the PATH")
    (tmp_path / "oc").symlink_to(kubectl_program())
    done = run("top", "--context=z", cwd=tmp_path, python=python, programs="")
    assert done.stderr == 'error: context "z" does not exist\n'


@pytest.mark.parametrize("arguments", [("-o", "yaml"), ("--dry-run",)])
def test_an_import_that_writes_nothing_needs_no_cluster(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "vm3.xml").write_text(XML)
    done = run("import", "vm3.xml", *arguments, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.startswith("vm3.xml: domain tenant-a_vm3 is taken for VMI `vm3` in namespace `tenant-a`")
    assert "vm3" in done.stdout


def test_the_version_of_the_plugin_needs_no_cluster(tmp_path: Path) -> None:
    done = run("version", "--client", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"plugin {__version__}\n")


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        (
            'cachemonitorgroups.cachemon.dev is forbidden: User "jane" cannot list resource "cachemonitorgroups"',
            ". Ask a cluster administrator for the ClusterRole cachemon-view",
        ),
        (
            'cachemonitorgroups.cachemon.dev is forbidden: User "jane" cannot create resource "cachemonitorgroups"',
            ". Ask a cluster administrator for the ClusterRole cachemon-edit",
        ),
        ("cachemonitorgroups.cachemon.dev \"vm3\" is forbidden: ValidatingAdmissionPolicy 'x' denied", ""),
    ],
)
def test_who_lacks_a_right_reads_which_role_to_ask_for(refusal: str, advice: str) -> None:
    assert role_for(refusal) == advice


def test_the_versions_of_the_agents_are_counted() -> None:
    plugin = Plugin()
    assert plugin.run("version").out == f"plugin {__version__}\nagent  none has reported\n"
    for name in ("node01", "node02"):
        plugin.api.put(NODES, cmn(name, block(0, 1)))
    out = plugin.run("version", "-o", "json").out
    assert list(json.loads(out)["agents"].values()) == [2]


def test_labels_choose_the_objects() -> None:
    plugin = Plugin()
    for name, zone in (("vm1", "a"), ("vm2", "b")):
        status = [group_status("g", block(0, 1 << 20))]
        obj = cmg(name, name, status=status, labels={"zone": zone})
        plugin.api.put(GROUPS, obj)
    out = plugin.run("domstats", "-l", "zone=b").out
    assert "vm2" in out
    assert "vm1" not in out


@pytest.mark.parametrize("output", ["jsonpath=", "text", "JSON"])
def test_an_output_that_there_is_not_is_refused_with_those_that_there_are(
    output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        Plugin().run("nodes", "-o", output)
    assert "must be one of wide, json, yaml, name, jsonpath=TEMPLATE" in capsys.readouterr().err


def test_a_template_takes_values_out_of_the_answer() -> None:
    plugin = Plugin()
    plugin.api.put(NODES, cmn("node01", block(0, 1)))
    assert plugin.run("nodes", "-o", "jsonpath={.items[*].metadata.name}").out == "node01\n"
