"""The name of the machine's CPUs, from /proc/cpuinfo (show_cpuinfo in arch/x86/kernel/cpu/proc.c)."""

from pathlib import Path

from cachemon.qemu.proc_files import Read, read_file

_MOST_BYTES = 4096  # the first CPU


def read_cpu_model(proc: Path, read: Read = read_file) -> str:
    """The name; empty where the file has none, as on Arm.

    Args:
        proc: /proc as a rule.
        read: reads a file.
    """
    try:
        return parse_cpu_model(read(str(proc / "cpuinfo"), _MOST_BYTES).decode(errors="replace"))
    except OSError:
        return ""


def parse_cpu_model(text: str) -> str:
    r"""The name in the first line for it.

    >>> parse_cpu_model("processor\t: 0\nmodel\t\t: 207\nmodel name\t: INTEL(R) XEON(R) GOLD 6548Y+\n")
    'INTEL(R) XEON(R) GOLD 6548Y+'
    """
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return ""
