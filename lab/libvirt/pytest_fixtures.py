"""Fixtures of tests that need a real libvirt host; a conftest.py imports the ones it offers."""

import os
from collections.abc import Iterator

import pytest

from lab.emulator import Emulator
from lab.libvirt.guest_domain import has_kvm
from lab.libvirt.libvirt_host import LibvirtHost
from lab.libvirt.programs import LibvirtMissingError, Programs, find_or_fetch
from lab.pytest_skips import found_or_skip


@pytest.fixture(scope="session")
def programs() -> Programs:
    """A libvirtd; skips where none can be had."""
    if os.geteuid():
        pytest.skip("only root can have a libvirtd start domains in a mount namespace")
    return found_or_skip(find_or_fetch, LibvirtMissingError)


@pytest.fixture(scope="module")
def resctrl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """What the host has at /sys/fs/resctrl."""
    with Emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def libvirt_host(programs: Programs, resctrl: Emulator) -> Iterator[LibvirtHost]:
    """One for the tests of a module: a daemon takes seconds to learn what its QEMU can do."""
    with LibvirtHost(programs, resctrl=resctrl.mountpoint) as host:
        yield host


@pytest.fixture
def host(libvirt_host: LibvirtHost) -> Iterator[LibvirtHost]:
    """The same, with no domain after the test."""
    yield libvirt_host
    libvirt_host.clear()


@pytest.fixture
def kvm() -> None:
    """Skips where QEMU has no KVM."""
    if not has_kvm():
        pytest.skip("no KVM: libvirt has <cachetune> and <memorytune> for KVM domains only")
