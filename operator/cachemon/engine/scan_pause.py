"""How long to wait until the next scan of the threads. Pure."""

_FAST_SCAN_SECONDS = 0.05
_WAITED_PER_PAUSE = 600


def scan_pause(scan_seconds: float, waited: float | None, spent: float = 0.0) -> float:
    """Seconds until the next scan of the threads.

    Threads of a starting VM come one by one, and an image may be pulled for minutes before its QEMU starts. So the
    scans get rarer the longer it takes: twenty a second in the first half minute, five a second after two minutes.

    Args:
        scan_seconds: from one scan to the next when no thread is awaited.
        waited: for how many seconds threads have been awaited; None when none are.
        spent: seconds that the last scan took: a part of the time to the next one, but at most half of it.
    """
    seconds = scan_seconds
    if waited is not None:
        seconds = min(max(_FAST_SCAN_SECONDS, waited / _WAITED_PER_PAUSE), scan_seconds)
    return max(seconds - spent, min(seconds, spent))
