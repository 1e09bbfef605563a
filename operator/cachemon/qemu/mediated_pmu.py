"""Whether KVM may hand the CPU's performance counters to guests: its mediated PMU. Then nobody else may count guests.

`enable_mediated_pmu` is a parameter of kvm_intel and kvm_amd (arch/x86/kvm/vmx/vmx.c and svm/svm.c, Linux 7.0).
While a guest has such a PMU, perf_event_open(2) of events that count guests fails with EOPNOTSUPP. While such an
event is open, KVM can't make a guest's PMU: EBUSY (mediated_pmu_account_event and perf_create_mediated_pmu in
kernel/events/core.c). So an event may only be opened where the parameter is off, or is not there.
"""

from pathlib import Path

from cachemon.qemu.proc_files import Read, read_file

_MODULES = ("kvm", "kvm_intel", "kvm_amd")
_PARAMETER = "enable_mediated_pmu"
_OFF = (b"N", b"0")
_MOST_BYTES = 64


def refusal_of_kvm(sysfs: Path, read: Read = read_file) -> str:
    """Why guests must not be counted; empty when KVM has no mediated PMU.

    Args:
        sysfs: /sys as a rule.
        read: reads a file.
    """
    if not (sysfs / "module").is_dir():
        return f"{sysfs}/module is not there, so whether KVM has a mediated PMU is unknown; mount sysfs there"
    for module in _MODULES:
        path = f"{sysfs}/module/{module}/parameters/{_PARAMETER}"
        try:
            value = read(path, _MOST_BYTES).strip()
        except FileNotFoundError:
            continue
        except OSError as err:
            return f"{path} can't be read ({err.strerror}), so whether KVM has a mediated PMU is unknown"
        if value not in _OFF:
            return (
                f"{path} is {value.decode(errors='replace') or 'empty'}: KVM's mediated PMU gives the CPU's counters "
                "to guests, and a counter of ours would keep a VM from starting with a PMU"
            )
    return ""
