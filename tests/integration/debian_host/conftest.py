"""One booted Debian host of each suite for all tests, with the package of this checkout."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.debian_archive import DebianMissingError
from lab.debian_host.image import SUITES, find_or_fetch_kernel, find_or_make
from lab.debian_host.machine import DebianHost
from lab.kernel.module import ModuleUnbuildableError, build
from lab.kernel.packages import KernelUnavailableError
from tests.integration.debian_host.life import Life
from tools.release.host_packages import make_host_packages


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deb of this checkout."""
    folder = tmp_path_factory.mktemp("packages")
    make_host_packages(folder)
    (deb,) = folder.glob("*.deb")
    return deb


@pytest.fixture(scope="module", params=SUITES)
def life(request: pytest.FixtureRequest, package: Path) -> Iterator[Life]:
    """A host that was just booted, for all tests of a module in their order; the first installs the package."""
    try:
        kernel = find_or_fetch_kernel()
        image = find_or_make(request.param, kernel, build(kernel))
    except (KernelUnavailableError, ModuleUnbuildableError, DebianMissingError) as missing:
        pytest.fail(str(missing))  # who asks for these tests wants them run
    with tempfile.TemporaryDirectory(prefix="debian-host-") as folder:
        luggage = Life.luggage(Path(folder), package)
        with DebianHost(image, kernel, Path(folder), luggage) as host:
            host.until_booted()
            yield Life(host)
