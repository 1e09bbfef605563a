"""`cpu-resource`: the RFC's command, for both back ends."""

from argparse import Namespace
from collections.abc import Sequence

from cachemon.commands.backend import DomainBackend, FindDomain, Terminal
from cachemon.commands.output import render_table
from cachemon.model.cpu_resource_request import Action, CpuResourceRequest, describe, parse_request, render_status
from cachemon.model.kept_groups import Keeper, KeptGroup, plan_creation, plan_removal, scope_of


def request_of(args: Namespace) -> CpuResourceRequest:
    """What the options ask for.

    Raises:
        InvalidInputError: they contradict each other.
    """
    return parse_request(
        group_name=args.group_name,
        vcpulist=args.vcpulist,
        create=args.create,
        destroy=args.destroy,
        live=args.live,
        config=args.config,
        current=args.current,
    )


async def handle(request: CpuResourceRequest, find: FindDomain, output: str, terminal: Terminal) -> int:
    """Show, create or destroy monitoring groups of a domain.

    Raises:
        InvalidInputError: the request is not for this domain.
    """
    domain = await find(request)
    if request.action is Action.CREATE:
        return await _create(request, domain, terminal)
    if request.action is Action.DESTROY:
        return await _destroy(request, domain, terminal)
    scope = scope_of(request, runs=domain.groups.runs, persistent=domain.groups.persistent)
    terminal.say(_render(domain, domain.groups.of(scope), output))
    return 0


def _render(domain: DomainBackend, shown: Sequence[KeptGroup], output: str) -> str:
    if output == "wide":
        headings = ("GROUP", "OF", "KEPT", "STATE", *domain.detail_headings)
        rows = ((k.group.name, describe(k.group), str(k.keeper), k.state, *domain.details(k)) for k in shown)
        return render_table(headings, rows)
    if output:
        return domain.render(shown, output)
    return render_status([_shown_name(kept) for kept in shown])


def _shown_name(kept: KeptGroup) -> str:
    return f"{kept.group.name} (libvirt's own)" if kept.keeper is Keeper.LIBVIRT else kept.group.name


async def _create(request: CpuResourceRequest, domain: DomainBackend, terminal: Terminal) -> int:
    scope = plan_creation(request, domain.groups)
    assert request.group is not None
    made = await domain.create(request.group, scope)
    terminal.say(f"group {request.group.name} created in {made.home} ({scope})")
    for remark in made.remarks:
        terminal.remark(remark)
    return 0


async def _destroy(request: CpuResourceRequest, domain: DomainBackend, terminal: Terminal) -> int:
    for kept in plan_removal(request, domain.groups):
        await domain.destroy(kept)
        terminal.say(f"group {kept.group.name} destroyed in {kept.home} ({kept.scope})")
    return 0
