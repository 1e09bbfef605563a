"""Translate libvirt's errors into ours. Pure: a libvirtError in, an error with advice out.

include/libvirt/virterror.h lists the codes and domains. When a daemon of libvirt 9.0 dies, the call in progress fails
with VIR_ERR_SYSTEM_ERROR ("Cannot recv data: Connection reset by peer", "End of file while reading data"). Later
calls fail with VIR_ERR_INTERNAL_ERROR ("client socket is closed"). The domain of all of them is VIR_FROM_RPC.
"""

import errno

import libvirt

from cachemon.model.errors import (
    CachemonError,
    DomainNotFoundError,
    InvalidInputError,
    LibvirtRefusedError,
    LibvirtUnreachableError,
)

_ENDED = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR)
_DENIED = (
    libvirt.VIR_ERR_AUTH_FAILED,
    libvirt.VIR_ERR_AUTH_CANCELLED,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE,
    libvirt.VIR_ERR_ACCESS_DENIED,
)
_GET_ACCESS = "run this as root or as a member of the group libvirt"


def open_failure(uri: str, err: libvirt.libvirtError) -> CachemonError:
    """Translate the error of a connection that does not open."""
    code, message = err.get_error_code(), err.get_error_message()
    if code in _DENIED or (code == libvirt.VIR_ERR_SYSTEM_ERROR and err.get_int1() == errno.EACCES):
        return LibvirtRefusedError(f"{uri} denies access: {message}; {_GET_ACCESS}")
    if (
        code in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_CONNECT)
        or err.get_error_domain() == libvirt.VIR_FROM_URI
    ):
        return InvalidInputError(
            f"{uri!r} is not a URI that libvirt knows: {message}; for this host use qemu:///system"
        )
    if err.get_error_domain() == libvirt.VIR_FROM_RPC:
        return LibvirtUnreachableError(
            f"{uri} does not answer: {message}; check on that host that libvirtd or virtqemud runs: "
            "systemctl status libvirtd.socket virtqemud.socket"
        )
    return LibvirtUnreachableError(f"{uri} can't be opened: {message}")


def call_failure(uri: str, err: libvirt.libvirtError) -> CachemonError:
    """Translate the error of a call on an open connection."""
    code, message = err.get_error_code(), err.get_error_message()
    if code == libvirt.VIR_ERR_NO_DOMAIN:
        return DomainNotFoundError(f"{uri}: {message}")
    ended = code in _ENDED and err.get_error_domain() == libvirt.VIR_FROM_RPC
    if ended or code == libvirt.VIR_ERR_INVALID_CONN:
        return LibvirtUnreachableError(f"the connection to {uri} has ended: {message}")
    return LibvirtRefusedError(f"{uri}: {message}{_advice(code, message or '')}")


def _advice(code: int | None, message: str) -> str:
    if code == libvirt.VIR_ERR_OPERATION_INVALID and "transient" in message:
        return "; give the group to the running domain with --live, or make the domain persistent with virsh define"
    if code in (libvirt.VIR_ERR_OPERATION_DENIED, *_DENIED):
        return f"; {_GET_ACCESS}"
    if code == libvirt.VIR_ERR_OPERATION_TIMEOUT:
        return "; another job holds the domain (virsh domjobinfo): try again"
    return ""
