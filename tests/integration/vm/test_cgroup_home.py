import pytest

from lab.vms.cgroups import COUNT_NOTHING, _homes

V2 = "35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
HYBRID = """\
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
OWN = "9:name=systemd:/\n8:pids:/a\n4:memory:/b\n1:cpu,cpuacct:/\n0::/"
IN_CONTAINER = "50 40 0:30 /docker/1f /sys/fs/cgroup rw - cgroup2 cgroup rw"


@pytest.mark.parametrize(
    ("mountinfo", "cgroup", "homes"),
    [
        (V2, "0::/user.slice/session-1.scope", ["/sys/fs/cgroup/user.slice/session-1.scope"]),
        (V2, "0::/", ["/sys/fs/cgroup"]),
        (
            HYBRID,
            OWN,
            ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/pids/a"],
        ),
        (IN_CONTAINER, "0::/docker/1f/init", ["/sys/fs/cgroup/init"]),
        (IN_CONTAINER, "0::/docker/1f", ["/sys/fs/cgroup"]),
        (IN_CONTAINER, "0::/docker/2", []),
        ("", "0::/", []),
    ],
)
def test_pods_are_made_below_the_labs_own_cgroup_and_never_where_limits_count(
    mountinfo: str, cgroup: str, homes: list[str]
) -> None:
    assert [str(home) for home in _homes(mountinfo, cgroup, COUNT_NOTHING)] == homes


def test_a_cgroup_that_counts_something_is_found_by_its_name() -> None:
    assert [str(home) for home in _homes(HYBRID, OWN, ("cpu",))] == ["/sys/fs/cgroup/cpu"]
    assert list(_homes(V2, "0::/", ("cpu",))) == []
