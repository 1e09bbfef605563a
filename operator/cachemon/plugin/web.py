"""`web`: a page in the browser, served on this machine, with what this person may see."""

import asyncio
import os
from argparse import Namespace
from pathlib import Path

from cachemon.kube.kubeconfig_pipes import has_pipe
from cachemon.kube.kubectl_proxy import current_context
from cachemon.model.errors import InvalidInputError
from cachemon.plugin.kubevirt_page import KubevirtPage
from cachemon.plugin.plugin_arguments import kubectl_flags
from cachemon.plugin.session import Session
from cachemon.web.page_command import serve_page
from cachemon.web.prometheus_history import PrometheusHistory, read_server
from cachemon.web.prometheus_matrix import Scope


async def run(args: Namespace, session: Session) -> int:
    """Serve the page until Ctrl-C.

    Raises:
        CachemonError: the options are not valid, or the API server does not answer at first.
    """
    prometheus = _prometheus(args, session)
    page = KubevirtPage(session, await _title(args), prometheus)
    renewing, known = asyncio.create_task(page.run()), asyncio.create_task(page.wait_until_known())
    try:
        await asyncio.wait((renewing, known), return_when=asyncio.FIRST_COMPLETED)
        await (renewing if renewing.done() else known)
        return await serve_page(page, renewing, args, out=session.out, remark=session.remark)
    finally:
        for task in (renewing, known):
            task.cancel()
        await asyncio.gather(renewing, known, return_exceptions=True)


async def _title(args: Namespace) -> str:
    """The context; empty for a kubeconfig from a pipe, which can be read once only."""
    flags = kubectl_flags(args)
    return "" if has_pipe(flags, os.environ) else (await current_context(flags)).name


def _prometheus(args: Namespace, session: Session) -> PrometheusHistory | None:
    files = [None if path is None else Path(path) for path in (args.prometheus_token_file, args.prometheus_ca_file)]
    if args.prometheus is not None:
        scope = Scope(session.scope, args.prometheus_cluster or "")
        return PrometheusHistory(read_server(args.prometheus, *files), scope)
    if any(files) or args.prometheus_cluster:
        raise InvalidInputError("the other options of Prometheus need --prometheus URL")
    return None
