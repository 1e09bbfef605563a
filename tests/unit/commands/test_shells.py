"""The scripts of `completion`, in the shells that they are for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cachemon.commands.completion import script

PROGRAMS = {"cachemon": "cachemon.host.commands.main", "kubectl-cachemon": "cachemon.plugin.main"}
BASH = """\
{script}
COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9
_python_argcomplete {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """\
autoload -U compinit; compinit -u -D
_describe() {{ eval "printf '%s\\n' \\"\\${{$2[@]}}\\"" }}
{script}
BUFFER="{line}"; CURSOR=${{#BUFFER}}; words=({program})
_python_argcomplete
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With both programs on the PATH, as an installation has them."""
    for program, module in PROGRAMS.items():
        path = tmp_path / program
        path.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import main\nsys.exit(main())\n", "utf-8")
        path.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": ":".join(sys.path)}


def completed(shell: str, code: str, environment: dict[str, str]) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}
    done = subprocess.run(
        [shell, *options[shell], "-c", code], check=False, capture_output=True, text=True, env=environment
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("program", "line", "found"),
    [
        ("cachemon", "cachemon host dom", ["domstats "]),
        ("cachemon", "cachemon host domstats --format ", ["rfc", "libvirt", "json"]),
        ("kubectl-cachemon", "kubectl-cachemon top --by=n", ["node "]),
        ("kubectl-cachemon", "kubectl-cachemon d", ["domstats", "diagnose"]),
    ],
)
def test_bash_completes(program: str, line: str, found: list[str], environment: dict[str, str]) -> None:
    code = BASH.format(script=script("bash", program), line=line, program=program)
    assert completed("bash", code, environment) == found


def test_zsh_completes_with_descriptions(environment: dict[str, str]) -> None:
    code = ZSH.format(script=script("zsh", "cachemon"), line="cachemon host dom", program="cachemon")
    found = completed("zsh", code, environment)
    assert found == ["domstats:cache occupancy of domains under the keys of libvirt's RFC"]


def test_fish_completes_with_descriptions(environment: dict[str, str]) -> None:
    found = completed("fish", f"{script('fish', 'cachemon')}\ncomplete -C 'cachemon host dom'", environment)
    assert found == ["domstats\tcache occupancy of domains under the keys of libvirt's RFC"]
