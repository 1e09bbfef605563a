import pytest

from cachemon.plugin.plugin_arguments import build_parser
from tests.unit.plugin.fake_api import GROUPS, Plugin, block, cmg, group_status


@pytest.mark.parametrize(
    "typed",
    ["vm3", "vmi/vm3", "vm/vm3", "VMI/vm3", "virtualmachineinstance.kubevirt.io/vm3", "vmis.v1.kubevirt.io/vm3"],
)
@pytest.mark.parametrize("command", ["domstats", "top", "cpu-resource", "export"])
def test_a_vmi_is_named_with_its_type_or_without(typed: str, command: str) -> None:
    vmi = build_parser().parse_args([command, typed]).vmi
    assert vmi == (["vm3"] if command in ("domstats", "top") else "vm3")


@pytest.mark.parametrize("typed", ["node01", "node/node01", "cachemonitornode.cachemon.dev/node01"])
def test_a_node_too(typed: str) -> None:
    assert build_parser().parse_args(["nodes", typed, typed]).node == ["node01", "node01"]
    assert build_parser().parse_args(["diagnose", typed]).node == "node01"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["top", "pod/virt-launcher-vm3-abcde"], "'pod/virt-launcher-vm3-abcde' is no VirtualMachineInstance"),
        (["diagnose", "vmi/vm3"], "'vmi/vm3' is no node: type the name of one"),
        (["top", "/vm3"], "'/vm3' is no VirtualMachineInstance"),
    ],
)
def test_another_type_is_refused(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(words)
    assert message in capsys.readouterr().err


def test_top_shows_the_vmi_whose_name_has_a_type() -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg(status=[group_status("vcpus_all", block(0, 2**20), vcpus=[0, 1, 2, 3])]))
    assert plugin.run("top", "vmi/vm3").out == plugin.run("top", "vm3").out != ""
