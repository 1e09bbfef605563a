"""Booted Debian hosts for all tests of a module, with the package of this checkout."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.debian_archive import DebianMissingError
from lab.debian_host.image import SUITES, find_or_fetch_kernel, find_or_make
from lab.debian_host.machine import DebianHost
from lab.kernel.module import ModuleUnbuildableError, build
from lab.kernel.packages import Kernel, KernelUnavailableError
from tests.integration.debian_host.life import Life
from tools.release.host_packages import make_host_packages


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deb of this checkout."""
    folder = tmp_path_factory.mktemp("packages")
    make_host_packages(folder)
    (deb,) = folder.glob("*.deb")
    return deb


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    """What the hosts boot."""
    try:
        return find_or_fetch_kernel()
    except (KernelUnavailableError, DebianMissingError) as missing:
        pytest.fail(str(missing))  # who asks for these tests wants them run


@pytest.fixture(scope="module", params=SUITES)
def image(request: pytest.FixtureRequest, kernel: Kernel) -> Path:
    """The disk of a host of each Debian."""
    try:
        return find_or_make(request.param, kernel, build(kernel))
    except (ModuleUnbuildableError, DebianMissingError) as missing:
        pytest.fail(str(missing))


@pytest.fixture(scope="module")
def life(image: Path, kernel: Kernel, package: Path) -> Iterator[Life]:
    """A host that was just booted, for all tests of a module in their order; the first installs the package."""
    with tempfile.TemporaryDirectory(prefix="debian-host-") as folder:
        luggage = Life.luggage(Path(folder), package)
        with DebianHost(image, kernel, Path(folder), luggage) as host:
            host.until_booted()
            yield Life(host)


@pytest.fixture(scope="module")
def lives(image: Path, kernel: Kernel, package: Path) -> Iterator[tuple[Life, Life]]:
    """Two hosts at the ends of a network cable, with our service on each."""
    with (
        tempfile.TemporaryDirectory(prefix="debian-host-") as one,
        tempfile.TemporaryDirectory(prefix="debian-host-") as two,
    ):
        here, there = Path(one), Path(two)
        luggage = Life.luggage(here, package)
        with (
            DebianHost(image, kernel, here, luggage, number=1, peer=there) as first,
            DebianHost(image, kernel, there, luggage, number=2, peer=here) as second,
        ):
            for host in (first, second):
                host.until_booted()
                host.connect()
                Life(host).install()
            yield Life(first), Life(second)
