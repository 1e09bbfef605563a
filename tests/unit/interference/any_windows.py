"""Windows of every kind for hypothesis."""

from hypothesis import strategies as st

from cachemon.interference.windows import VmWindow, Window

figures = st.none() | st.integers(0, 2**64) | st.floats(0, 1e29)


def vm_windows(names: st.SearchStrategy[str]) -> st.SearchStrategy[VmWindow]:
    return st.builds(
        VmWindow,
        vm=names,
        occupancy_bytes=figures,
        traffic_bytes=figures,
        cpu_seconds=figures,
        run_delay_seconds=figures,
        cycles=figures,
        uops=figures,
    )


def windows() -> st.SearchStrategy[Window]:
    return st.builds(
        Window,
        time=st.integers(-(10**12), 10**12) | st.floats(-1e29, 1e29),
        block=st.integers() | st.text(min_size=1),
        capacity_bytes=st.integers(1, 2**64) | st.floats(1, 1e29),
        bandwidth_limit_bytes_per_second=st.none() | st.floats(1, 1e29),
        vms=st.lists(vm_windows(st.text(min_size=1)), max_size=4, unique_by=lambda vm: vm.vm).map(tuple),
        others_traffic_bytes=figures,
    )
