"""`diagnose` on a libvirt host: what works, what does not, and the command to type next. It needs no agent."""

import socket
from argparse import Namespace
from pathlib import Path

from cachemon.commands.findings import print_findings
from cachemon.host.commands.host_evidence import Probes, collect
from cachemon.host.commands.host_findings import examine
from cachemon.host.commands.host_session import HostSession


async def run(args: Namespace, session: HostSession, probes: Probes | None = None) -> int:
    """Print the findings.

    Args:
        args: the parsed command line.
        session: knows libvirt and the agent.
        probes: read what is of this host; by default its real files and programs.

    Returns:
        0 when everything works, 1 when something does not.
    """
    resctrl = Path(args.resctrl) if args.resctrl else None
    evidence = await collect(session, resctrl, probes or Probes())
    known = evidence.agent.status.host if evidence.agent.status else ""
    name = known or (socket.gethostname() if evidence.host.is_here else evidence.host.host)
    findings = examine(evidence, session.program)
    return print_findings(session, ("host", name), findings, args.output)
