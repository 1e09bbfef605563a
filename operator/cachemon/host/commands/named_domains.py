"""Which domain a person means."""

from cachemon.host.commands.host_session import HostDomain, HostSession, unknown_to_agent
from cachemon.host.wire import DomainReport, HostReport
from cachemon.model.errors import InvalidInputError


async def named_domain(name: str, report: HostReport, session: HostSession) -> DomainReport | HostDomain:
    """By id, UUID or name, in this order as virsh has it; only libvirt knows ids.

    Returns:
        What the agent says of it; libvirt's domain when it does not run.

    Raises:
        DomainNotFoundError: there is no such domain.
        InvalidInputError: it runs, and the agent does not know of it.
    """
    if not name.isdecimal():
        found = next((domain for domain in report.domains if name.lower() == domain.uuid), None)
        found = found or next((domain for domain in report.domains if name == domain.name), None)
        if found:
            return found
    domain = await session.ask(lambda libvirt: libvirt.domain(name))
    found = next((each for each in report.domains if each.uuid == domain.uuid), None)
    if found:
        return found
    if domain.runs:
        raise InvalidInputError(unknown_to_agent(domain, session))
    return domain
