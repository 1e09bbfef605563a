"""`python -m lab.debian_host`: make beforehand the disks of Debian hosts, and say where they are."""

import sys

from lab.debian_archive import DebianMissingError
from lab.debian_host.image import SUITES, find_or_fetch_kernel, find_or_make
from lab.kernel.module import ModuleUnbuildableError, build
from lab.kernel.packages import KernelUnavailableError


def main() -> int:
    """The exit code: 0, or 1 where there can be no host."""
    try:
        kernel = find_or_fetch_kernel()
        module = build(kernel)
        for suite in SUITES:
            print(find_or_make(suite, kernel, module))
    except (KernelUnavailableError, ModuleUnbuildableError, DebianMissingError) as error:
        print(f"no Debian hosts: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
