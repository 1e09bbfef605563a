"""The process of the host's agent: signals, descriptors, its end, and its removal."""

import asyncio
import gc
import logging
import resource
import signal
from urllib.parse import urlsplit

from cachemon.engine.removal import remove_mon_groups
from cachemon.host.agent.config import Config
from cachemon.host.agent.domain_watcher import Connect, Libvirt
from cachemon.host.agent.host_agent import HostAgent
from cachemon.host.agent.systemd_notify import Notifier
from cachemon.libvirt.connection import open_connection
from cachemon.model.errors import InvalidInputError
from cachemon.resctrl.claim import Claim
from cachemon.resctrl.tree_writer import ResctrlTree

__all__ = ["remove", "serve"]

log = logging.getLogger(__name__)


def serve(config: Config, connect: Connect | None = None) -> int:
    """Run the agent until SIGTERM or SIGINT.

    Args:
        config: settings.
        connect: opens a connection to libvirt; by default the one of the settings, to read only.

    Raises:
        InvalidInputError, also in a group: settings can't be used.
    """

    def to_libvirt() -> Libvirt:
        return open_connection(config.connect, read_only=not _is_session(config.connect))

    _allow_many_descriptors()
    gc.freeze()  # what the imports made lasts: no collection has to go through it again
    asyncio.run(_run(config, connect or to_libvirt))
    return 0


def remove(config: Config) -> None:
    """Remove every mon_group of ours, and what --live groups there are on record.

    Raises:
        InvalidInputError: an agent works on the tree.
        ResctrlError: it can't be told whether one does.
    """
    claim = Claim(config.resctrl)
    if not claim.hold():
        raise InvalidInputError("an agent works on these mon_groups; stop it first: systemctl stop cachemon-host")
    try:
        remove_mon_groups(ResctrlTree(config.resctrl))
        for file in config.runtime_dir.glob("live.*"):
            file.unlink(missing_ok=True)
    finally:
        claim.release()


def _is_session(uri: str) -> bool:
    """Libvirt's daemon of a session has no socket to read only."""
    return urlsplit(uri).path == "/session"


async def _run(config: Config, connect: Connect) -> None:
    log.info("libvirt %s, resctrl %s, socket %s", config.connect, config.resctrl, config.socket)
    work = asyncio.create_task(HostAgent(config, connect, Notifier()).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopping; mon_groups stay for the next agent")


def _allow_many_descriptors() -> None:
    """300 mon_groups in 8 cache blocks with 3 events keep 7200 descriptors; the usual soft limit is 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
