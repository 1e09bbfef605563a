"""Bytes for people: strings for columns. Fields have exact integers."""


def _scaled(value: int, base: int, step: int, units: tuple[str, ...]) -> str:
    amount = float(value)
    unit = units[0]
    for larger in units[1:]:
        if amount < (step if unit else base):
            break
        amount /= base
        unit = larger
    return f"{amount:.1f}{unit}" if unit and amount < 9.95 else f"{amount:.0f}{unit}"


def format_bytes(value: int) -> str:
    """Bytes in binary units: 53796864 -> `51Mi`, 3355443 -> `3.2Mi`, 900 -> `900`."""
    return _scaled(value, 1024, 1024, ("", "Ki", "Mi", "Gi", "Ti"))


def format_rate(bytes_per_second: int) -> str:
    """Bytes per second in decimal units, the `/s` left out: 1200000000 -> `1200M`.

    A unit goes up to 9999, so that rates of one node are easy to compare.
    """
    return _scaled(bytes_per_second, 1000, 10_000, ("", "k", "M", "G", "T"))
