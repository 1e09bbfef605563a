"""`python -m lab.kernel`: fetch and make beforehand what guests with a real kernel need, and say where it is."""

import sys

from lab.kernel.guest import cached_parts, find_qemu
from lab.kernel.module import ModuleUnbuildableError, build
from lab.kernel.packages import KernelUnavailableError, find_or_fetch


def main() -> int:
    """The exit code: 0, or 1 where there can be no guest."""
    try:
        find_qemu()
        kernel = find_or_fetch()
    except KernelUnavailableError as error:
        print(f"no guests with a real kernel: {error}", file=sys.stderr)
        return 1
    print(f"kernel {kernel.version}  {kernel.image}")
    for part in cached_parts(packages=True):
        print(f"{part.stat().st_size >> 20:4} MiB  {part}")
    try:
        print(f"module    {build(kernel)}")
    except ModuleUnbuildableError as error:
        print(f"no module, counters stay 0: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
