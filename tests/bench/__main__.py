"""Run the benches: `python -m tests.bench [NAME]`. Figures are ratios of two things measured in one run, or times."""

import sys
from collections.abc import Sequence

from tests.bench import (
    bench_agent,
    bench_crowded,
    bench_emulator,
    bench_finder,
    bench_host,
    bench_images,
    bench_monitored,
    bench_operator,
    bench_plan,
    bench_plugin,
    bench_sampler,
    bench_saturated,
    bench_scale,
    bench_tenants,
    bench_traced,
    bench_verdict,
    bench_web,
)
from tests.bench.measure import CannotRunError

MODULES = (
    bench_sampler,
    bench_plan,
    bench_finder,
    bench_agent,
    bench_crowded,
    bench_operator,
    bench_scale,
    bench_monitored,
    bench_saturated,
    bench_host,
    bench_tenants,
    bench_plugin,
    bench_emulator,
    bench_verdict,
    bench_traced,
    bench_web,
    bench_images,
)
BENCHES = {module.BENCH.name: module.BENCH for module in MODULES}


def main(argv: Sequence[str], divisor: int = 1) -> int:
    """Run those that are named, or all.

    Args:
        argv: names.
        divisor: makes everything so much smaller, to try whether it runs.

    Returns:
        0; 1 if one could not run; 2 for a name that there is not.
    """
    if unknown := [name for name in argv if name not in BENCHES]:
        print(f"there is no bench {unknown[0]!r}; there are: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    failed = False
    for name in argv or BENCHES:
        print(f"# {BENCHES[name].about}", flush=True)
        try:
            for figure in BENCHES[name].run(divisor):
                print(figure, flush=True)
        except CannotRunError as error:
            print(f"bench {name} can't run: {error}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
