"""Compiling rdtmove, the module that makes a guest's counters move, without kbuild.

A module is an object file with two sections that kbuild's helpers write: rdtmove.c has them itself. So it takes a
compiler and the kernel's headers, and neither Debian's kbuild package nor its version of the compiler: what kbuild
would add for them (return thunks, alignment for patching, unwind tables) a kernel can do without.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from lab.kernel.packages import Kernel
from lab.program_cache import user_cache
from lab.speed import allowance

SOURCE = Path(__file__).parent / "rdtmove" / "rdtmove.c"
_NAME = "rdtmove"
_FLAGS = (
    *("-std=gnu11", "-O2", "-Wall", "-Wno-attributes", "-Wno-address-of-packed-member", "-nostdinc"),
    *("-D__KERNEL__", "-DMODULE", f"-D__KBUILD_MODNAME={_NAME}", "-DCC_USING_FENTRY"),
    *(f'-DKBUILD_{word}="{_NAME}"' for word in ("BASENAME", "MODNAME", "MODFILE")),
    # the kernel's dialect of C and its use of the processor (Makefile and arch/x86/Makefile of Linux 7.3)
    *("-fms-extensions", "-fshort-wchar", "-funsigned-char", "-fno-common", "-fno-strict-aliasing", "-fno-PIE"),
    *("-fno-delete-null-pointer-checks", "-fno-jump-tables", "-fno-stack-protector", "-fcf-protection=none"),
    *("-fno-asynchronous-unwind-tables", "-m64", "-mcmodel=kernel", "-mno-red-zone", "-mpreferred-stack-boundary=3"),
    *("-mskip-rax-setup", "-mno-sse", "-mno-mmx", "-mno-sse2", "-mno-3dnow", "-mno-avx", "-mno-80387"),
)
_FIRST_READ = ("compiler-version.h", "kconfig.h", "compiler_types.h")
_MOST_SECONDS = 120


class ModuleUnbuildableError(Exception):
    """The module can't be compiled here; the message is the reason."""


def build(kernel: Kernel, cache: Path | None = None) -> Path:
    """The compiled module, made anew when source, kernel or compiler have changed.

    Raises:
        ModuleUnbuildableError: there is no compiler, no headers, or it fails.
    """
    compiler = shutil.which("gcc")
    if compiler is None:
        raise ModuleUnbuildableError("no gcc: apt-get install gcc")
    if not kernel.headers.is_dir() or not kernel.headers_common.is_dir():
        raise ModuleUnbuildableError(f"no headers of kernel {kernel.release}")
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    facts = [SOURCE.read_text(encoding="utf-8"), kernel.version, version, *_FLAGS]
    key = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    folder = (user_cache() if cache is None else cache) / "kernel" / f"{_NAME}-{key}"
    module = folder / f"{_NAME}.ko"
    if not module.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = module.with_suffix(f".{os.getpid()}")
        _compile([compiler, *_FLAGS, *_includes(kernel), "-c", "-o", unfinished, SOURCE])
        unfinished.rename(module)
    return module


def _includes(kernel: Kernel) -> list[str | Path]:
    """In kbuild's order (LINUXINCLUDE of the kernel's Makefile)."""
    common, flavour = kernel.headers_common, kernel.headers
    folders = [common / "arch/x86/include", flavour / "arch/x86/include/generated", common / "include"]
    folders += [flavour / "include", common / "arch/x86/include/uapi", flavour / "arch/x86/include/generated/uapi"]
    folders += [common / "include/uapi", flavour / "include/generated/uapi"]
    first: list[str | Path] = [f"-I{folder}" for folder in folders]
    for name in _FIRST_READ:
        first += ["-include", common / "include/linux" / name]
    return first


def _compile(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=allowance(_MOST_SECONDS))
    if done.returncode != 0:
        raise ModuleUnbuildableError(f"rdtmove does not compile:\n{done.stderr[-2000:]}")
