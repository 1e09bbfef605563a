"""The program cachemon-agent."""

import asyncio
import gc
import logging
import resource
import signal
import sys
from collections.abc import Sequence

from cachemon.agent.agent import Agent
from cachemon.agent.config import Config, parse_config
from cachemon.agent.uninstall_check import OwnAccount, is_uninstalled
from cachemon.daemon.logs import configure_logs
from cachemon.engine.removal import remove_mon_groups
from cachemon.kube.client import KubeClient, Selector
from cachemon.kube.login import load_credentials
from cachemon.kube.token_claims import account_claim, node_claim
from cachemon.model.api import GROUPS
from cachemon.model.errors import InvalidInputError
from cachemon.resctrl.tree_writer import ResctrlTree

__all__ = ["main"]

log = logging.getLogger(__name__)

EXIT_BAD_SETTINGS = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. The mon_groups stay for the next agent, unless cachemon is being uninstalled.

    Returns:
        The exit code: 0 after a signal, 2 for settings that can't be used.
    """
    try:
        config = parse_config(argv)
        configure_logs(config.log_format, level=config.log_level)
        _allow_many_descriptors()
        gc.freeze()  # what the imports made lasts: no collection has to go through it again
        asyncio.run(_run(config))
    except InvalidInputError as err:
        print(f"cachemon-agent: {err}", file=sys.stderr)
        return EXIT_BAD_SETTINGS
    except ExceptionGroup as group:
        settings, rest = group.split(InvalidInputError)
        if settings is None or rest is not None:
            raise
        print(f"cachemon-agent: {settings.exceptions[0]}", file=sys.stderr)
        return EXIT_BAD_SETTINGS
    return 0


def _allow_many_descriptors() -> None:
    """300 mon_groups in 8 cache blocks with 3 events keep 7200 descriptors; the usual soft limit is 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _run(config: Config) -> None:
    credentials = await load_credentials(config.kubeconfig)
    token = await credentials.bearer_token()
    claim = node_claim(token) if token else None
    if claim and claim.name != config.node_name:
        raise InvalidInputError(
            f"--node-name is {config.node_name}, but the token is bound to node {claim.name}; they must be the same"
        )
    log.info("node %s, resctrl %s, API server %s", config.node_name, config.resctrl, credentials.server)
    async with KubeClient(credentials) as client:
        work = asyncio.create_task(Agent(config, client, claim).run())
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        account = account_claim(token) if token and config.kubeconfig is None else None
        own_account = OwnAccount(client, account) if account else None
        watching = asyncio.create_task(own_account.watch()) if own_account else None
        farewell = asyncio.create_task(_farewell(config, client, own_account, told, work))
        try:
            await work
        except asyncio.CancelledError:
            if await farewell:
                log.info("cachemon is being uninstalled: removing its mon_groups")
                remove_mon_groups(ResctrlTree(config.resctrl))
            else:
                log.info("stopping; mon_groups stay for the next agent")
        finally:
            farewell.cancel()
            if watching:
                watching.cancel()


async def _farewell(
    config: Config,
    client: KubeClient,
    own_account: OwnAccount | None,
    told: asyncio.Event,
    work: "asyncio.Task[None]",
) -> bool:
    """End the work once we are told to, and say whether cachemon is being uninstalled; work goes on until we know."""
    await told.wait()
    mine = Selector(fields=f"status.nodeName={config.node_name}")
    uninstalled = own_account is not None and await is_uninstalled(
        lambda: client.list(GROUPS, mine, metadata_only=True), lambda: own_account.is_gone
    )
    work.cancel()
    return uninstalled
