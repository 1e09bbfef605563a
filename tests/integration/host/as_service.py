"""Runs a command with the rights that systemd gives to the service of a unit. Root starts it in a mount namespace:

    unshare --mount python -m tests.integration.host.as_service UNIT PATH[:PATH...] COMMAND...

Everything is mounted read-only but the PATHs: ReadWritePaths= and RuntimeDirectory= where the test has them. Taken
from the unit are CapabilityBoundingSet=, SystemCallFilter= (one set, as systemd-analyze knows it),
RestrictAddressFamilies= and UMask=; it must have the other lines that are in `EXPECTED`.
"""

import ctypes
import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from tests.e2e.as_agent_container import (
    CLONE_NEW_NAMESPACE,
    SCMP_ACT_ALLOW,
    SCMP_ACT_ERRNO,
    SCMP_CMP_MASKED_EQ,
    ScmpArgument,
    mount_read_only,
)

EXPECTED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ReadWritePaths": "-/sys/fs/resctrl",
    "RestrictNamespaces": "yes",
    "MemoryDenyWriteExecute": "yes",
    "SystemCallErrorNumber": "EPERM",
}
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1  # linux/prctl.h, since 6.3
SCMP_CMP_NE, SCMP_CMP_EQ = 1, 4  # seccomp.h


def settings_of(unit: str) -> dict[str, str]:
    settings = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    different = {key for key, value in EXPECTED.items() if settings.get(key) != value}
    if different:
        sys.exit(f"the unit says something else of {different}: see to it here as well")
    return settings


def system_calls(name: str) -> set[str]:
    """The members of one of systemd's sets, and of the sets in it."""
    output = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True)
    found: set[str] = set()
    for word in (line.strip() for line in output.stdout.splitlines()[1:]):
        if word.startswith("@"):
            found |= system_calls(word)
        elif not word.startswith("#"):
            found.add(word)
    return found


def filter_system_calls(settings: dict[str, str]) -> None:
    allowed = system_calls(settings["SystemCallFilter"])
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(SCMP_ACT_ERRNO | errno.EPERM)))

    def rule(action: int, name: str, *arguments: ScmpArgument) -> None:
        call = seccomp.seccomp_syscall_resolve_name(name.encode())
        array = (ScmpArgument * len(arguments))(*arguments)
        if call >= 0 and seccomp.seccomp_rule_add_array(
            context, ctypes.c_uint32(action), call, len(arguments), array
        ):
            sys.exit(f"no rule can be made for {name}")

    namespaces = sum(CLONE_NEW_NAMESPACE)
    for name in allowed - {"clone", "clone3", "unshare", "setns", "socket"}:
        rule(SCMP_ACT_ALLOW, name)
    rule(SCMP_ACT_ALLOW, "clone", ScmpArgument(0, SCMP_CMP_MASKED_EQ, namespaces, 0))
    rule(SCMP_ACT_ERRNO | errno.ENOSYS, "clone3")  # a filter can't judge it
    families = [getattr(socket, name) for name in settings["RestrictAddressFamilies"].split()]
    for family in families:
        rule(SCMP_ACT_ALLOW, "socket", ScmpArgument(0, SCMP_CMP_EQ, family, 0))
    rule(
        SCMP_ACT_ERRNO | errno.EAFNOSUPPORT,
        "socket",
        *(ScmpArgument(0, SCMP_CMP_NE, family, 0) for family in families),
    )
    if seccomp.seccomp_load(context):
        sys.exit("the seccomp filter can't be loaded")


def main() -> None:
    match sys.argv[1:]:
        case ["--filtered", unit, *command]:
            settings = settings_of(Path(unit).read_text(encoding="utf-8"))
            os.umask(int(settings["UMask"], 8))
            ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)  # an older kernel: no matter
            filter_system_calls(settings)
            os.execv(command[0], command)
        case [unit, paths, *command]:
            settings = settings_of(Path(unit).read_text(encoding="utf-8"))
            for path in paths.split(":"):
                subprocess.run(["mount", "--bind", path, path], check=True)
            mount_read_only(but=paths.split(":"))
            kept = [f"+{word.removeprefix('CAP_').lower()}" for word in settings["CapabilityBoundingSet"].split()]
            rights = [
                "setpriv",
                f"--bounding-set={','.join(['-all', *kept])}",
                "--inh-caps=-all",
                "--ambient-caps=-all",
            ]
            rights += ["--no-new-privs", "--reuid=0", "--regid=0", "--clear-groups", "--"]
            again = [sys.executable, "-m", "tests.integration.host.as_service", "--filtered", unit]
            os.execvp("setpriv", [*rights, *again, *command])


if __name__ == "__main__":
    main()
