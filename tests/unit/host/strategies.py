"""What hypothesis makes for the wire of a libvirt host."""

from hypothesis import strategies as st

from cachemon.model.groups import GROUP_NAME, MonitoringGroup
from cachemon.model.threads import ThreadClass
from cachemon.model.vcpus import VcpuSet

NAMES = st.from_regex(GROUP_NAME, fullmatch=True).filter(lambda name: "\n" not in name)
CLASSES = st.frozensets(st.sampled_from([it for it in ThreadClass if it is not ThreadClass.VCPU]))
LISTS = st.frozensets(st.integers(0, 300), min_size=1, max_size=30).map(VcpuSet.of)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda it: st.lists(it) | st.dictionaries(st.text(), it)
)


@st.composite
def monitoring_groups(draw: st.DrawFn) -> MonitoringGroup:
    name, threads = draw(NAMES), draw(CLASSES)
    if draw(st.booleans()):
        return MonitoringGroup(name, None, all_vcpus=True, threads=threads)
    vcpus = draw(LISTS if not threads else st.none())
    return MonitoringGroup(name, vcpus, all_vcpus=False, threads=threads)
