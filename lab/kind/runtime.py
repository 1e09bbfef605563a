#!/usr/bin/env python3
"""runc for the lab's Docker. It asks for no capability that this machine's root lacks.

Docker gives all capabilities to a privileged container, such as a node of kind. A sandbox's root may lack some, often
CAP_SYS_RESOURCE; runc then refuses: "unable to apply caps: operation not permitted".
"""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

_BOUNDING_SET = "Capability bounding set: "


def available(dump: str) -> set[str]:
    """The capabilities that processes here can have, as OCI names them.

    Args:
        dump: what util-linux's `setpriv --dump` prints.
    """
    (line,) = (line for line in dump.splitlines() if line.startswith(_BOUNDING_SET))
    return {f"CAP_{name.upper()}" for name in line.removeprefix(_BOUNDING_SET).split(",")}


def limit(process: dict[str, Any], capabilities: Collection[str]) -> None:
    """Take out of an OCI process whatever capability there is not."""
    wanted = process.get("capabilities", {})
    for kind in wanted:
        wanted[kind] = [name for name in wanted[kind] if name in capabilities]


def limit_file(arguments: Sequence[str], capabilities: Collection[str]) -> None:
    """Change the file that a command of runc reads its process from; most commands read none."""
    for flag, name in (("--bundle", "config.json"), ("--process", "")):
        if flag in arguments[:-1]:
            path = Path(arguments[arguments.index(flag) + 1], name)
            content = json.loads(path.read_text(encoding="utf-8"))
            limit(content["process"] if name else content, capabilities)
            path.write_text(json.dumps(content), encoding="utf-8")


def main() -> None:
    """Become runc."""
    arguments = sys.argv[1:]
    dump = subprocess.run(["setpriv", "--dump"], capture_output=True, text=True, check=True)
    limit_file(arguments, available(dump.stdout))
    os.execvp("runc", ["runc", *arguments])


if __name__ == "__main__":
    main()
