import os
import re

import pytest

from lab.kubernetes.binaries import find
from tests.bench.__main__ import BENCHES, main
from tests.bench.bench_saturated import REQUESTS, default_request
from tests.bench.pod_shares import millicores_of, shares_of, weight_of
from tests.web.browser import chromium

FIGURE = re.compile(r"figure ([a-z0-9_.]+) (\d[0-9.e+-]*) (ratio|s|ms|%|MiB|KiB)")
OF_ANOTHER = {"agent.crowded": "agent", "plugin": "kubectl", "scale": "operator"}
SLOW = ("agent.crowded", "scale")
ELSEWHERE = ("images", "saturated", "tenants", "verdict", "verdict.traced")
MOUNTS = ("sampler", "agent")
HAVE_A_CLUSTER = ("agent", "agent.crowded", "operator", "plugin", "scale")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
        for name in BENCHES
        if name not in ELSEWHERE and not name.endswith(".monitored")
    ],
)  # tests/e2e, tests/integration/libvirt, .../interference and .../release run those
def test_every_bench_runs_and_prints_what_its_figures_are_and_then_the_figures(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if name in MOUNTS and (os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK)):
        pytest.skip("mounting needs root and /dev/fuse")
    if name in HAVE_A_CLUSTER and (os.geteuid() != 0 or find() is None):
        pytest.skip("a cluster needs root and kube-apiserver")
    if name == "web" and chromium() is None:
        pytest.skip("a page needs chromium")
    assert main([name], divisor=50) == 0
    about, *figures = capsys.readouterr().out.splitlines()
    assert about == f"# {BENCHES[name].about}"
    assert " / " in about
    assert figures
    for line in figures:
        match = FIGURE.fullmatch(line)
        assert match
        assert match[1].partition(".")[0] in (name, OF_ANOTHER.get(name))
        assert float(match[2]) > 0


def test_an_unknown_bench_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed"]) == 2
    message = capsys.readouterr().err
    assert all(name in message for name in ["speed", *BENCHES])


@pytest.mark.parametrize(
    ("quantity", "shares", "weight"),
    [("20m", 20, 1), ("1m", 2, 1), ("100m", 102, 4), ("2", 2048, 79), ("500", 262_144, 10_000)],
)
def test_a_pods_shares_are_those_that_a_kubelet_gives(quantity: str, shares: int, weight: int) -> None:
    assert shares_of(millicores_of(quantity)) == shares
    assert weight_of(shares) == weight


@pytest.mark.parametrize("odd", ["", "m", "0.5", "1Gi", "-1"])
def test_a_quantity_of_cpu_that_is_none_is_refused(odd: str) -> None:
    with pytest.raises(ValueError, match="quantity of CPU"):
        millicores_of(odd)


def test_the_request_that_is_measured_without_a_suffix_is_the_charts() -> None:
    assert millicores_of(default_request()) > 0
    assert default_request() in REQUESTS
