"""A Debian host with systemd, its packaged libvirt and a kernel's resctrl, on which our package is installed.

The tests are the life of one host, in order: each begins with what the ones before have left.
"""

import pytest

from cachemon import __version__
from lab.debian_host.machine import LUGGAGE
from tests.integration.debian_host.life import Life

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_the_package_installs_and_its_service_starts_under_systemd(life: Life) -> None:
    life.sh(f"dpkg -i {LUGGAGE}/cachemon-host_*.deb")
    life.sh("systemctl enable --now cachemon-host")
    assert life.sh("systemctl is-active cachemon-host") == "active\n"
    status = life.ask("/v1/status")
    assert (status["version"], status["problem"]) == (__version__, "")
    assert set(status["events"]) == {"llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"}


def test_a_group_of_a_domain_that_runs_holds_its_vcpus_and_shows_the_kernels_figures(life: Life) -> None:
    life.define("vm1")
    life.sh("virsh start vm1")
    life.sh("cachemon host cpu-resource vm1 --create --group-name web --vcpulist all --live")
    life.until_monitored("vm1", "web")
    ((mon_group, tids),) = life.groups().items()
    assert tids == life.vcpu_tids("vm1")
    assert len(tids) == 2
    with life.still():
        shown, kernel = life.cachemon_figures("vm1"), life.kernel_figures(mon_group)
    assert int(shown["cpu.cacheoccupancy.web.0.value"]) == kernel["00/llc_occupancy"] > 0


def test_the_journal_says_what_happened_and_no_traceback(life: Life) -> None:
    journal = life.sh("journalctl -b --no-pager -o cat -u cachemon-host")
    assert "Started cachemon-host.service" in journal
    assert "Traceback" not in journal


def test_a_restart_of_the_unit_keeps_mon_groups_and_live_groups(life: Life) -> None:
    before = life.groups()
    life.sh("systemctl restart cachemon-host")
    life.until_monitored("vm1", "web")
    assert life.groups() == before
