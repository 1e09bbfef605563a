"""The agent of a node as a process: credentials, signals, removal of its mon_groups."""

import asyncio
import logging
from collections.abc import Sequence

from cachemon.agent.agent import Agent
from cachemon.agent.config import AgentConfig, parse_config
from cachemon.agent.uninstall_check import OwnAccount, is_uninstalled
from cachemon.daemon.logs import configure_logs
from cachemon.daemon.process import on_end_signal, prepare_agent_process, run_program
from cachemon.engine.removal import remove_mon_groups
from cachemon.kube.client import KubeClient, Selector
from cachemon.kube.login import load_credentials
from cachemon.kube.token_claims import account_claim, node_claim
from cachemon.model.api import GROUPS, name_of
from cachemon.model.errors import InvalidInputError
from cachemon.resctrl.tree_writer import ResctrlTree

log = logging.getLogger(__name__)


def run_agent(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; see `run_program`.

    The mon_groups stay for the next agent, unless cachemon is being uninstalled.
    """
    return run_program("cachemon-agent", lambda: _run(parse_config(argv)))


def _run(config: AgentConfig) -> int:
    configure_logs(config.logs)
    prepare_agent_process()
    asyncio.run(_work(config))
    return 0


async def _work(config: AgentConfig) -> None:
    credentials = await load_credentials(config.kubeconfig)
    token = await credentials.bearer_token()
    claim = node_claim(token) if token else None
    if claim and claim.name != config.node_name:
        raise InvalidInputError(
            f"--node-name is {config.node_name}, but the token is bound to node {claim.name}; they must be the same"
        )
    log.info("node %s, resctrl %s, API server %s", config.node_name, config.machine.resctrl, credentials.server)
    async with KubeClient(credentials) as client:
        work = asyncio.create_task(Agent(config, client, claim).run())
        signaled = asyncio.Event()
        on_end_signal(signaled.set)
        account = account_claim(token) if token and config.kubeconfig is None else None
        own_account = OwnAccount(client, account) if account else None
        watching = asyncio.create_task(own_account.watch()) if own_account else None
        ending = asyncio.create_task(_end_work(config, client, own_account, signaled, work))
        try:
            await work
        except asyncio.CancelledError:
            if await ending:
                log.info("cachemon is being uninstalled: removing its mon_groups")
                remove_mon_groups(ResctrlTree(config.machine.resctrl))
            else:
                log.info("stopping; mon_groups stay for the next agent")
        finally:
            ending.cancel()
            if watching:
                watching.cancel()


async def _end_work(
    config: AgentConfig,
    client: KubeClient,
    own_account: OwnAccount | None,
    signaled: asyncio.Event,
    work: "asyncio.Task[None]",
) -> bool:
    """End the work after a signal, once it is known whether cachemon is being uninstalled; returns that."""
    await signaled.wait()
    mine = Selector(fields=f"status.nodeName={config.node_name}")
    uninstalled = own_account is not None and await is_uninstalled(
        lambda: client.list(GROUPS, mine, keep=name_of, metadata_only=True), lambda: own_account.is_gone
    )
    work.cancel()
    return uninstalled
