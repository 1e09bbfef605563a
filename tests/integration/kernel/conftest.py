from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kernel.guest import find_qemu
from lab.kernel.module import ModuleUnbuildableError, build
from lab.kernel.packages import Kernel, KernelUnavailableError, find_or_fetch
from lab.pytest_skips import found_or_skip
from tests.integration.kernel.fleet import SUITES, Fleet


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    found_or_skip(find_qemu, KernelUnavailableError)
    return found_or_skip(find_or_fetch, KernelUnavailableError)


@pytest.fixture(scope="session")
def kernel_module(kernel: Kernel) -> Path | str:
    """What makes counters move, or why there is no such thing here: all counters are 0 then."""
    try:
        return build(kernel)
    except ModuleUnbuildableError as error:
        return str(error)


@pytest.fixture(scope="session")
def fleet(
    request: pytest.FixtureRequest,
    kernel: Kernel,
    kernel_module: Path | str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """Guests of the modes that the selected tests ask for."""
    selected = [item for item in request.session.items if isinstance(item, pytest.Function)]
    modes = [
        item.callspec.params["mode"]
        for item in selected
        if "fleet" in item.fixturenames and hasattr(item, "callspec")
    ]
    wanted = [mode for mode in SUITES if mode in modes]
    module = None if isinstance(kernel_module, str) else kernel_module
    with Fleet(kernel, tmp_path_factory.mktemp("guests"), wanted, module) as running:
        yield running
