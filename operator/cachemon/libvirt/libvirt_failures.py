"""From libvirt's errors to ours. Pure: a libvirtError in, an error with advice out.

What codes and domains there are: include/libvirt/virterror.h. What a dead daemon looks like was seen with 9.0: the
call that meets its end has VIR_ERR_SYSTEM_ERROR ("Cannot recv data: Connection reset by peer", "End of file while
reading data"), later ones VIR_ERR_INTERNAL_ERROR ("client socket is closed"), all of them from VIR_FROM_RPC.
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

__all__ = ["of_a_call", "of_opening"]

_ENDED = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR)
_NO_RIGHT = (
    libvirt.VIR_ERR_AUTH_FAILED,
    libvirt.VIR_ERR_AUTH_CANCELLED,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE,
    libvirt.VIR_ERR_ACCESS_DENIED,
)
_LET_IN = "run this as root or as a member of the group libvirt"


def of_opening(uri: str, err: libvirt.libvirtError) -> CachemonError:
    """Why a connection can't be opened."""
    code, words = err.get_error_code(), err.get_error_message()
    if code in _NO_RIGHT or (code == libvirt.VIR_ERR_SYSTEM_ERROR and err.get_int1() == errno.EACCES):
        return LibvirtRefusedError(f"{uri} lets nobody in without a right: {words}; {_LET_IN}")
    if (
        code in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_CONNECT)
        or err.get_error_domain() == libvirt.VIR_FROM_URI
    ):
        return InvalidInputError(f"{uri!r} is no URI that libvirt knows: {words}; a host's own is qemu:///system")
    if err.get_error_domain() == libvirt.VIR_FROM_RPC:
        return LibvirtUnreachableError(
            f"{uri} does not answer: {words}; see there whether libvirtd or virtqemud runs, "
            "e.g. with systemctl status libvirtd.socket virtqemud.socket"
        )
    return LibvirtUnreachableError(f"{uri} can't be opened: {words}")


def of_a_call(uri: str, err: libvirt.libvirtError) -> CachemonError:
    """Why a call has failed."""
    code, words = err.get_error_code(), err.get_error_message()
    if code == libvirt.VIR_ERR_NO_DOMAIN:
        return DomainNotFoundError(f"{uri}: {words}")
    ended = code in _ENDED and err.get_error_domain() == libvirt.VIR_FROM_RPC
    if ended or code == libvirt.VIR_ERR_INVALID_CONN:
        return LibvirtUnreachableError(f"the connection to {uri} has ended: {words}")
    return LibvirtRefusedError(f"{uri}: {words}{_advice(code, words or '')}")


def _advice(code: int | None, words: str) -> str:
    if code == libvirt.VIR_ERR_OPERATION_INVALID and "transient" in words:
        return "; give the group to the running domain with --live, or make the domain persistent with virsh define"
    if code in (libvirt.VIR_ERR_OPERATION_DENIED, *_NO_RIGHT):
        return f"; {_LET_IN}"
    if code == libvirt.VIR_ERR_OPERATION_TIMEOUT:
        return "; something else is done with the domain now (virsh domjobinfo): try again"
    return ""
