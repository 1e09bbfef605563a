"""Pages of `why` about a VM that is not judged. Pure."""

from collections.abc import Callable, Mapping, Sequence
from shlex import quote

from cachemon.commands.why_page import Step, WhyPage
from cachemon.commands.why_texts import NOT_JUDGED
from cachemon.model.api import ObjectName
from cachemon.model.reasons import Reason

NO_GROUP, NOT_RUNNING, NO_FIGURES, OFF = "NoGroup", "NotRunning", "NoFigures", "Off"
"""Reasons beside those of conditions."""

_EXPLAINED_BY_MESSAGE = (NOT_RUNNING, NO_FIGURES, Reason.AGENT_NOT_REPORTING)

Steps = Callable[[ObjectName, str], list[Step]]


def not_judged_page(
    name: ObjectName, reason: str, message: str, *, node: str = "", facts: Sequence[str] = ()
) -> WhyPage:
    """The page about a VM that is not judged.

    Args:
        name: of the VMI.
        reason: that of a condition, or one of the above.
        message: what its condition says.
        node: where it runs.
        facts: more.
    """
    template = _SENTENCES.get(reason, "")
    text = template.format(name=name, node=node) if template else f"{reason}: {message}"
    where = f"{name} on {node}" if node else str(name)
    explained = (message,) if message and reason in _EXPLAINED_BY_MESSAGE else ()
    return WhyPage(
        headline=f"Not judged: {text}.",
        facts=(where, *explained, *facts),
        steps=_STEPS.get(reason, _look_at_groups)(name, node),
    )


def _make_group(name: ObjectName, _: str) -> list[Step]:
    whose = f"{quote(name.name)} -n {quote(name.namespace)}"
    return [
        Step("Have it monitored", f"kubectl cachemon cpu-resource {whose} --create --vcpulist all --config"),
        Step("For all VMs of a namespace, make a CacheMonitorPolicy (docs/guides/monitor-a-namespace.md)"),
    ]


def _switch_on(_: ObjectName, __: str) -> list[Step]:
    return [
        Step(
            "An administrator switches it on, with the namespace and chart of the installation",
            "helm upgrade cachemon charts/cachemon -n cachemon-system --reuse-values --set=interference.enabled=true",
        ),
        Step("Before that, read what verdicts give away (docs/security.md)"),
    ]


def _diagnose(_: ObjectName, node: str) -> list[Step]:
    if not node:
        return [Step("See where it should run", "kubectl get cmg -A -o wide")]
    return [Step("See what is wrong on the node", f"kubectl cachemon diagnose {quote(node)}")]


def _wait(name: ObjectName, _: str) -> list[Step]:
    return [Step("Look again in some minutes", _again(name))]


def _look_at_groups(name: ObjectName, _: str) -> list[Step]:
    return [
        Step("See what its groups lack", f"kubectl get cmg -n {quote(name.namespace)} -o wide"),
        Step("Then look again", _again(name)),
    ]


def _look_at_cpus(name: ObjectName, node: str) -> list[Step]:
    return [
        Step(
            "See the CPU limits of its pod",
            f"kubectl describe pod -n {quote(name.namespace)} -l {quote(f'vm.kubevirt.io/name={name.name}')}",
        ),
        Step("See what else the node runs", f"kubectl describe node {quote(node)}"),
        Step("Move the VM to a node with free CPUs", _migrate(name)),
    ]


def _watch_more(name: ObjectName, _: str) -> list[Step]:
    return [
        Step("See how much of the caches is watched", "kubectl cachemon top -A --by block"),
        Step("Watch every VM of the node with a CacheMonitorPolicy (docs/guides/monitor-a-namespace.md)"),
        Step("Or move this VM away", _migrate(name)),
    ]


def _start(name: ObjectName, _: str) -> list[Step]:
    return [Step("See its state", f"kubectl get vmi {quote(name.name)} -n {quote(name.namespace)}")]


def _again(name: ObjectName) -> str:
    return f"kubectl cachemon why {quote(name.name)} -n {quote(name.namespace)}"


def _migrate(name: ObjectName) -> str:
    return f"virtctl migrate {quote(name.name)} -n {quote(name.namespace)}"


_SENTENCES: Mapping[str, str] = {
    **NOT_JUDGED,
    NO_GROUP: "no CacheMonitorGroup watches {name}",
    NOT_RUNNING: "{name} does not run on a node that can be monitored",
    NO_FIGURES: "the agent of {node} has not reported {name} yet",
    OFF: "the agent of {node} does not judge: interference is off",
    Reason.AGENT_NOT_REPORTING: "the agent of {node} is silent, and its last report is old",
}
_STEPS: Mapping[str, Steps] = {
    NO_GROUP: _make_group,
    NOT_RUNNING: _start,
    NO_FIGURES: _diagnose,
    OFF: _switch_on,
    Reason.AGENT_NOT_REPORTING: _diagnose,
    Reason.TOO_YOUNG: _wait,
    Reason.NO_REFERENCE: _wait,
    Reason.IDLE: _wait,
    Reason.CPU_CONTENTION: _look_at_cpus,
    Reason.SUSPECTS_UNWATCHED: _watch_more,
}
