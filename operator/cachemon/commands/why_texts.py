"""Why a VM is not judged, in words. Pure."""

from collections.abc import Mapping

from cachemon.interference.verdicts import Judgement

NOT_JUDGED: Mapping[str, str] = {
    Judgement.TOO_YOUNG: "it is not known yet what is usual for {name}; that takes some ten minutes",
    Judgement.NO_REFERENCE: "{name} ran too little before to know what is usual for it",
    Judgement.GAP: "a figure of the last minutes is missing",
    Judgement.IDLE: "{name} uses less than a quarter of a CPU, too little to be disturbed noticeably",
    Judgement.CPU_CONTENTION: (
        "{name} waits for CPUs more than a tenth of the time, which hides what cache and memory do"
    ),
    Judgement.SUSPECTS_UNWATCHED: "{name} lacks cache or bandwidth, and no VM that is watched explains that",
}
"""By judgement, which is also the reason of a condition."""
