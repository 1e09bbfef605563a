"""A Debian host with systemd, its packaged libvirt and a kernel's resctrl, on which our package is installed.

The tests are the life of one host, in order: each begins with what the ones before have left.
"""

import re

import pytest

from cachemon import __version__
from lab.wait import until
from tests.integration.debian_host.life import Life

CAP_DAC_OVERRIDE = 1  # linux/capability.h
SECCOMP_MODE_FILTER = "2"  # linux/seccomp.h
PLACES = (
    *("/", "/dev/hugepages", "/dev/mqueue", "/dev/shm", "/etc", "/home", "/proc/sys", "/root", "/run", "/run/lock"),
    *(
        "/sys/bus",
        "/sys/class",
        "/sys/devices",
        "/sys/fs",
        "/sys/fs/cgroup",
        "/sys/kernel",
        "/sys/module",
        "/sys/power",
    ),
    *("/usr", "/var/lib", "/var/tmp", "/tmp", "/sys/fs/resctrl", "/run/cachemon"),
)
OF_THE_AGENT = {"/sys/fs/resctrl", "/run/cachemon", "/tmp", "/var/tmp"}
"""Where it may write; the last two are empty ones of its own."""

SECONDS_BEFORE_A_GUEST_RUNS = 0.3
"""CPU time that two emulated vCPU threads take until libvirt lets them run, and between two reads of the test."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_the_package_installs_and_its_service_starts_under_systemd(life: Life) -> None:
    life.install()
    assert life.is_active()
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


def test_the_hardening_of_the_unit_is_in_force(life: Life) -> None:
    status = life.sh(f"cat /proc/{life.agent_pid()}/status")
    fields = dict(re.findall(r"^(\w+):\s*(\S+)$", status, re.MULTILINE))
    assert int(fields["CapBnd"], 16) == int(fields["CapEff"], 16) == 1 << CAP_DAC_OVERRIDE
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", SECCOMP_MODE_FILTER)
    assert life.writable(PLACES) > OF_THE_AGENT
    assert life.writable(PLACES, life.agent_pid()) == OF_THE_AGENT
    life.sh("systemd-analyze security --no-pager --threshold=25 cachemon-host")  # tenths of an exposure of 2.5


def test_libvirts_own_monitors_have_the_same_figures_to_the_byte(life: Life) -> None:
    life.define("libvirts")
    life.sh("virsh start libvirts")
    for monitor in ("vcpus_0", "vcpus_1"):
        life.until_monitored("libvirts", monitor)
    assert len(life.groups("qemu-")) == 2
    with life.still():
        ours, virsh = life.libvirt_figures("libvirts"), life.virsh_figures("libvirts")
    assert ours.keys() == virsh.keys()
    # Bytes of traffic count from the monitor's start at libvirt, and from the agent's first look at the agent.
    traffic = {key for key in ours if ".bytes." in key}
    assert {key: ours[key] for key in ours.keys() - traffic} == {key: virsh[key] for key in virsh.keys() - traffic}
    with life.still():
        later, virsh_later = life.libvirt_figures("libvirts"), life.virsh_figures("libvirts")
    grown = {key: int(later[key]) - int(ours[key]) for key in traffic}
    assert grown == {key: int(virsh_later[key]) - int(virsh[key]) for key in traffic}
    assert all(bytes_ > 0 for bytes_ in grown.values())
    life.sh("virsh destroy libvirts && virsh undefine libvirts")
    until("libvirt to remove its mon_groups", lambda: not life.groups("qemu-"), poll_seconds=1)


def test_the_journal_says_what_happened_and_no_traceback(life: Life) -> None:
    journal = life.sh("journalctl -b --no-pager -o cat -u cachemon-host")
    assert "Started cachemon-host.service" in journal
    assert "Traceback" not in journal


def test_a_restart_of_the_unit_keeps_mon_groups_and_live_groups(life: Life) -> None:
    before = life.groups()
    life.sh("systemctl restart cachemon-host")
    life.until_monitored("vm1", "web")
    assert life.groups() == before


def test_the_watchdog_ends_an_agent_that_hangs_and_the_next_one_adopts_the_groups(life: Life) -> None:
    before, pid = life.groups(), life.agent_pid()
    life.sh(f"kill -STOP {pid}")
    until(
        "systemd to end the agent and to start it again",
        lambda: life.agent_pid() not in {0, pid} and life.is_active(),  # 0 while there is none
        seconds=400,
        poll_seconds=5,
    )
    life.until_monitored("vm1", "web")
    assert life.groups() == before
    assert "Watchdog timeout" in life.sh("journalctl -b --no-pager -o cat -u cachemon-host")
    life.sh("virsh destroy vm1")
    until("the mon_group of a domain that ended to go", lambda: not life.groups(), poll_seconds=1)


def test_a_restored_domain_has_the_groups_of_its_metadata(life: Life) -> None:
    life.define("configured")
    life.sh("virsh start configured")
    life.until_monitored("configured", "all")
    life.sh("virsh save configured /root/saved")
    until("the mon_group of a saved domain to go", lambda: not life.groups(), poll_seconds=1)
    life.sh("virsh restore /root/saved")
    life.until_monitored("configured", "all")
    assert [*life.groups().values()] == [life.vcpu_tids("configured")]


def test_after_a_reboot_of_the_host_the_groups_of_an_autostarted_domain_are_in_force_again(life: Life) -> None:
    life.sh("virsh autostart configured && virsh destroy configured")
    life.host.reboot()
    assert life.is_active()
    life.until_monitored("configured", "all")
    assert [*life.groups().values()] == [life.vcpu_tids("configured")]


def test_groups_are_in_force_before_an_autostarted_domain_runs_if_the_agent_starts_before_libvirt(life: Life) -> None:
    life.start_agent_before_libvirt()
    life.sh("virsh destroy configured")
    life.host.reboot()
    life.until_monitored("configured", "all")
    ((mon_group, tids),) = life.groups().items()
    assert tids == life.vcpu_tids("configured")
    assert life.unmonitored_seconds("configured", mon_group) < SECONDS_BEFORE_A_GUEST_RUNS


def test_a_purge_leaves_the_domains_alone_and_nothing_of_ours_but_the_group_of_the_system(life: Life) -> None:
    before = life.vcpu_tids("configured")
    life.sh("rm -r /etc/systemd/system/cachemon-host.service.d")  # the admin's own
    life.sh("dpkg --purge cachemon-host")
    assert life.vcpu_tids("configured") == before
    assert not life.groups()
    assert life.left_behind() == []
    assert life.sh("systemctl show -P LoadState cachemon-host") == "not-found\n"
    assert life.sh("getent group cachemon").startswith("cachemon:"), "files of an admin may belong to it"
