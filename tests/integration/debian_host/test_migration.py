"""A domain moves over a network between two Debian hosts: systemd, their packaged libvirt, a kernel's resctrl."""

import pytest

from lab.wait import until
from tests.integration.debian_host.life import Life

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

OPEN_TO_THE_NETWORK = (
    'echo auth_tcp = \\"none\\" >> /etc/libvirt/libvirtd.conf'
    " && systemctl stop libvirtd.service libvirtd.socket && systemctl start libvirtd-tcp.socket libvirtd.service"
)


def check_figures(life: Life) -> None:
    """What the agent of a host shows of the domain is what the kernel counts there."""
    ((mon_group, tids),) = life.groups().items()
    assert tids == life.vcpu_tids("configured")
    with life.still():
        shown, kernel = life.cachemon_figures("configured"), life.kernel_figures(mon_group)
    assert int(shown["cpu.cacheoccupancy.all.0.value"]) == kernel["00/llc_occupancy"] > 0


def move(source: Life, target: Life) -> None:
    """Move the domain, as an admin does, and wait until its groups are there."""
    source.sh(f"virsh migrate --live --persistent --undefinesource configured qemu+tcp://{target.name}/system")
    until("the mon_group of a domain that moved away to go", lambda: not source.groups(), poll_seconds=1)
    assert source.ask("/v1/domains")["domains"] == []
    target.until_monitored("configured", "all")


def test_the_groups_of_a_domain_move_with_it_there_and_back(lives: tuple[Life, Life]) -> None:
    for life in lives:
        life.put_firmware("configured")
        life.sh(OPEN_TO_THE_NETWORK)
    first, second = lives
    first.define("configured")
    first.sh("virsh start configured")
    first.until_monitored("configured", "all")
    check_figures(first)
    for source, target in ((first, second), (second, first)):
        move(source, target)
        check_figures(target)
