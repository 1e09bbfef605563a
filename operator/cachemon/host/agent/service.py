"""The process of the host's agent: its work, its end, and the removal of its mon_groups."""

import asyncio
import logging
from urllib.parse import urlsplit

from cachemon.daemon.process import on_end_signal, prepare_agent_process
from cachemon.engine.removal import remove_mon_groups
from cachemon.host.agent.config import Config
from cachemon.host.agent.domain_watcher import DomainSource, OpenSource
from cachemon.host.agent.host_agent import HostAgent
from cachemon.host.agent.systemd_notify import Notifier
from cachemon.libvirt.connection import open_connection
from cachemon.model.errors import InvalidInputError
from cachemon.resctrl.agent_lock import AgentLock
from cachemon.resctrl.tree_writer import ResctrlTree

__all__ = ["remove", "serve"]

log = logging.getLogger(__name__)


def serve(config: Config, connect: OpenSource | None = None) -> int:
    """Run the agent until SIGTERM or SIGINT; `connect` is for tests, in place of libvirt as the settings name it.

    InvalidInputError, also in a group, when settings can't be used.
    """

    def to_libvirt() -> DomainSource:
        return open_connection(config.connect, read_only=not _is_session(config.connect))

    prepare_agent_process()
    asyncio.run(_run(config, connect or to_libvirt))
    return 0


def remove(config: Config) -> int:
    """Remove every mon_group of ours, and what --live groups there are on record.

    InvalidInputError when an agent works on the tree; ResctrlError when the check for one failed.
    """
    claim = AgentLock(config.machine.resctrl)
    if not claim.hold():
        raise InvalidInputError("an agent works on these mon_groups; stop it first: systemctl stop cachemon-host")
    try:
        remove_mon_groups(ResctrlTree(config.machine.resctrl))
        for file in config.runtime_dir.glob("live.*"):
            file.unlink(missing_ok=True)
    finally:
        claim.release()
    return 0


def _is_session(uri: str) -> bool:
    """Libvirt's daemon of a session has no socket to read only."""
    return urlsplit(uri).path == "/session"


async def _run(config: Config, connect: OpenSource) -> None:
    log.info("libvirt %s, resctrl %s, socket %s", config.connect, config.machine.resctrl, config.socket)
    work = asyncio.create_task(HostAgent(config, connect, Notifier()).run())
    on_end_signal(work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopping; mon_groups stay for the next agent")
