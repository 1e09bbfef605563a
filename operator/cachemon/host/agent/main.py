"""`cachemon host agent`: the agent of this host as its service runs it, and the removal of its mon_groups."""

import argparse
import asyncio
import logging
import os
import sys
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from cachemon.daemon.logs import configure_logs
from cachemon.daemon.process import EXIT_FAILED, on_end_signal, prepare_agent_process, run_program
from cachemon.engine.removal import remove_mon_groups
from cachemon.host.agent.config import HostAgentConfig, config_of
from cachemon.host.agent.domain_watcher import DomainSource
from cachemon.host.agent.host_agent import HostAgent
from cachemon.host.agent.systemd_notify import Notifier
from cachemon.model.errors import CachemonError, InvalidInputError
from cachemon.resctrl.agent_lock import AgentLock
from cachemon.resctrl.tree_writer import ResctrlTree

log = logging.getLogger(__name__)

UNIT, _ALERTS = "cachemon-host.service", "host-alerts.yaml"
_PROGRAM = "/usr/local/bin/cachemon"


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT; see `run_program`. The mon_groups stay for the next agent.

    With --remove, the exit code is 1 when that fails.
    """
    if args.print_unit:
        print(unit(sys.argv[0], sys.executable), end="")
        return 0
    if args.print_alerts:
        print(_text_of(_ALERTS), end="")
        return 0
    return run_program("cachemon host agent", lambda: _run(config_of(args)))


def unit(program: str, interpreter: str) -> str:
    """The unit for systemd that starts this very program, as it was called, with this interpreter."""
    text = _text_of(UNIT)
    is_script = Path(program).is_file() and os.access(program, os.X_OK) and not program.endswith(".py")
    command = str(Path(program).absolute()) if is_script else f"{interpreter} -m cachemon.host.commands.main"
    return text.replace(f"={_PROGRAM} ", f"={command} ")


def _text_of(name: str) -> str:
    return files("cachemon.host.agent").joinpath(name).read_text(encoding="utf-8")


def _run(config: HostAgentConfig) -> int:
    configure_logs(config.logs)
    if not config.remove:
        prepare_agent_process()
        asyncio.run(_serve(config))
        return 0
    try:
        _remove(config)
    except InvalidInputError:
        raise
    except CachemonError as err:
        print(f"cachemon host agent: {err}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _remove(config: HostAgentConfig) -> None:
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


async def _serve(config: HostAgentConfig) -> None:
    from cachemon.libvirt.connection import open_connection  # noqa: PLC0415  --print-unit and --remove need no libvirt

    def connect() -> DomainSource:
        is_session = urlsplit(config.connect).path == "/session"  # its daemon has no socket to read only
        return open_connection(config.connect, read_only=not is_session)

    log.info("libvirt %s, resctrl %s, socket %s", config.connect, config.machine.resctrl, config.socket)
    work = asyncio.create_task(HostAgent(config, connect, Notifier()).run())
    on_end_signal(work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopping; mon_groups stay for the next agent")
