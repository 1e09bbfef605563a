"""The reference pages in docs/, made of what the programs and CRDs say of themselves.

`python -m tools.reference` writes them; a test fails when they are not what it would write.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from cachemon.agent.config import argument_parser as agent_flags
from cachemon.commands.arguments import COMMON_OPTIONS
from cachemon.commands.replay import build_parser as replay_parser
from cachemon.controller.main import argument_parser as operator_flags
from cachemon.controller.retire import argument_parser as retire_flags
from cachemon.controller.verify import argument_parser as verify_flags
from cachemon.host.commands.host_arguments import build_parser as host_parser
from cachemon.plugin.plugin_arguments import build_parser as plugin_parser
from lab.repository import REPOSITORY
from tools.dashboards.reference_page import dashboards_page
from tools.documented_values import VALUES, values_of
from tools.markdown_pages import MADE, table
from tools.metrics_reference import metrics_page

FOLDER = REPOSITORY / "docs/reference"


def objects_page() -> str:
    """Every field of every object."""
    lines = ["# Objects\n", MADE]
    for path in sorted((REPOSITORY / "crds").glob("*.yaml")):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        (version,) = spec["versions"]
        schema = version["schema"]["openAPIV3Schema"]
        names = spec["names"]
        lines += [
            f"## {names['kind']}\n",
            f"`{spec['group']}/{version['name']}`, {spec['scope'].lower()}, short name `{names['shortNames'][0]}`.",
            f"{schema['description']}\n",
            *table(("field", "type", "meaning"), _fields(schema, "")),
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def _fields(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, ...]]:
    for name, field in schema.get("properties", {}).items():
        if not path and name in ("apiVersion", "kind", "metadata"):
            continue
        where = f"{path}.{name}" if path else name
        items = field.get("items", {})
        kind = f"list of {_kind(items)}" if items else _kind(field)
        yield f"`{where}`", kind, _meaning(field)
        yield from _fields(items or field, f"{where}[]" if items else where)


def _kind(field: Mapping[str, Any]) -> str:
    return "time" if field.get("format") == "date-time" else str(field["type"])


def _meaning(field: Mapping[str, Any]) -> str:
    parts = [field.get("description", "")]
    if values := field.get("enum") or field.get("items", {}).get("enum"):
        parts.append("One of " + ", ".join(f"`{value}`" for value in values) + ".")
    if field.get("default") not in (None, {}):
        parts.append(f"Default `{field['default']}`.")
    return " ".join(filter(None, parts))


def flags_page() -> str:
    """The flags of the programs of a cluster."""
    environment = "Each can be an environment variable instead: `--log-level` is `CACHEMON_LOG_LEVEL`.\n"
    lines = ["# Flags\n", MADE, environment]
    for parser in (operator_flags({}), agent_flags({}), retire_flags({}), verify_flags({})):
        rows = (
            (
                f"`{action.option_strings[-1]}`",
                f"`{action.default}`" if action.default not in (None, "", "==SUPPRESS==") else "none",
                _help(action),
            )
            for action in parser._actions  # noqa: SLF001  argparse has no other way to list them
            if action.option_strings[-1] not in ("--help", "--version")
        )
        lines += [f"## {parser.prog}\n", f"{parser.description}\n", *table(("flag", "default", "meaning"), rows), ""]
    parser = replay_parser("cachemon-agent replay")
    taken = [action for action in parser._actions if action.dest != "help"]  # noqa: SLF001  see above
    lines += [f"## {parser.prog}\n", f"{parser.description} No flag has an environment variable.\n"]
    lines += [*table(("argument", "meaning"), map(_option, taken)), "", *_paragraphs(parser.epilog or "")]
    return "\n".join(lines).rstrip() + "\n"


def values_page() -> str:
    """Every value of the chart."""
    lines = [
        "# Values of the chart\n",
        MADE,
        "Pass a value to `helm install` with `--set agent.logLevel=DEBUG`, or in a file with `-f`. Helm refuses a",
        "value that is not here, or of another type. It also refuses a `null` that removes a switch, a section or",
        "what the programs need.\n",
        "Upgrade with `--reset-then-reuse-values`. `--reuse-values` lacks the values that are newer than your",
        "release; Helm then says `missing property`, so that no switch is off because it is new.\n",
        *table(
            ("value", "default", "meaning"),
            (
                (f"`{value.path}`", "" if value.is_section else f"`{json.dumps(value.default)}`", value.meaning)
                for value in values_of(VALUES.read_text(encoding="utf-8"))
            ),
        ),
    ]
    return "\n".join(lines) + "\n"


def plugin_page() -> str:
    """Every command of `kubectl cachemon`, with its arguments and options."""
    introduction = (
        "`kubectl cachemon COMMAND`. Answers go to stdout, everything else to stderr. The exit code is 0, or 1 with",
        "a message; 130 after Ctrl-C. `--help` prints the same as this page.\n",
        "The plugin asks the API server through `kubectl proxy`, on a unix socket that only you can reach. So it",
        "takes kubeconfigs, `KUBECONFIG`, proxies, exec plugins, impersonation and a pod's service account as",
        "kubectl does. Where there is no kubectl, OpenShift's `oc` serves.\n",
    )
    return _program_page("Plugin", introduction, plugin_parser())


def host_page() -> str:
    """Every command of `cachemon host`, with its arguments and options."""
    introduction = (
        "`cachemon host COMMAND`, on a machine with plain libvirt. Answers go to stdout, everything else to stderr.",
        "The exit code is 0, or 1 with a message; 130 after Ctrl-C. `--help` prints the same as this page.\n",
    )
    return _program_page("Host", introduction, _subcommands(host_parser())["host"])


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001
    return dict(commands.choices)


def _program_page(title: str, introduction: Iterable[str], parser: argparse.ArgumentParser) -> str:
    lines = [
        f"# {title}\n",
        MADE,
        *introduction,
        "## Options of every command\n",
        *table(("option", "meaning"), map(_option, _common(parser))),
    ]
    for name, command in _subcommands(parser).items():
        taken = [action for action in command._actions if action.dest not in ("help", *_common_names(parser))]  # noqa: SLF001
        lines += [f"\n## {name}\n", f"{command.description}\n", *table(("argument", "meaning"), map(_option, taken))]
        if command.epilog:
            lines += ["", *_paragraphs(command.epilog)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _common(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    (group,) = (group for group in parser._action_groups if group.title == COMMON_OPTIONS)  # noqa: SLF001
    return group._group_actions  # noqa: SLF001


def _common_names(parser: argparse.ArgumentParser) -> set[str]:
    return {action.dest for action in _common(parser)}


def _option(action: argparse.Action) -> tuple[str, ...]:
    """`-n NAME, --namespace NAME`, as argparse's own help has it."""
    shown = str(action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper())
    value = (
        ""
        if action.nargs == 0
        else f"[{shown}]"
        if action.nargs == "?"
        else f"{shown}..."
        if action.nargs in ("*", "+")
        else shown
    )
    *short, long = action.option_strings or [""]
    names = [*short, f"{long} {value}".strip()]
    return ", ".join(f"`{name}`" for name in names), (action.help or "").replace("%%", "%")


def _paragraphs(text: str) -> Iterator[str]:
    """Text that argparse prints as it is: its indented lines are code."""
    for indented, found in groupby(text.splitlines(), key=lambda line: line.startswith("  ")):
        lines = [line.strip() for line in found]
        yield from (["", "```text", *lines, "```", ""] if indented else map(_without_tags, lines))


def _without_tags(line: str) -> str:
    """`<monitor>` outside of code would be a tag to Markdown."""
    return "`".join(part if number % 2 else part.replace("<", "\\<") for number, part in enumerate(line.split("`")))


def _help(action: Any) -> str:
    return re.sub(r" *\((default: [^)]*|%\(default\)[a-z])\)", "", action.help or "").replace("%%", "%")


PAGES: Mapping[str, Callable[[], str]] = {
    "metrics.md": metrics_page,
    "objects.md": objects_page,
    "flags.md": flags_page,
    "values.md": values_page,
    "plugin.md": plugin_page,
    "host.md": host_page,
    "dashboards.md": dashboards_page,
}


def write(folder: Path) -> None:
    """All pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)
