"""Numbers in texts that others wrote (the kernel, a process, a server) or read. Pure and total."""

LONGEST_COUNT = 20
"""Decimal digits of the largest number of 64 bits. Python refuses to convert texts of more than 4,300 digits, by a
ValueError (sys.set_int_max_str_digits), and takes a time that grows with their square below that."""

LARGEST_INTEGER = 2**53 - 1
"""API conventions: integers that JSON readers with floats keep exact."""


def exact(value: int) -> int:
    """The integer, limited to what JSON carries exactly."""
    return min(value, LARGEST_INTEGER)


def parse_count(text: str | bytes, most_digits: int = LONGEST_COUNT) -> int | None:
    r"""A whole number of ASCII digits, white space around it allowed; None for anything else.

    >>> parse_count("1735\n"), parse_count("-1"), parse_count("iommu_group:17"), parse_count("9" * 5000)
    (1735, None, None, None)
    """
    digits = text.strip()
    if not 0 < len(digits) <= most_digits or not digits.isascii() or not digits.isdigit():
        return None
    return int(digits)
