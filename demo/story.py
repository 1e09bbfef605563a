"""Prints the demo on the terminal: steps, the commands a user would type, and what they print."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO, TypeVar

from lab.cluster import program
from lab.kubernetes.control_plane import ControlPlane
from lab.wait import until

T = TypeVar("T")

_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Story:
    """Prints as it happens. A step that does not come true ends the story with an exception.

    Args:
        stream: standard output where absent.
        clock: seconds, monotonic.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._styled = self._stream.isatty()
        self._clock = clock
        self._began = clock()
        self.steps = 0

    def step(self, title: str) -> None:
        """Begin a step."""
        self.steps += 1
        elapsed = self._clock() - self._began
        self._print(f"\n{self._bold(f'{self.steps}. {title}')}  {self._dim(f'[{elapsed:.0f} s]')}")

    def say(self, text: str) -> None:
        """A sentence of explanation."""
        self._print(text)

    def typed(self, command: str) -> None:
        """A command as a user would type it."""
        self._print(self._bold(f"$ {command}"))

    def shown(self, text: str) -> None:
        """What a command printed, whole."""
        self._print(text.rstrip())

    def kubectl(self, control_plane: ControlPlane, *arguments: str) -> str:
        """Run kubectl, and show the command and what it prints."""
        self.typed(shlex.join(["kubectl", *arguments]))
        output = control_plane.kubectl(*arguments)
        self.shown(output)
        return output

    def plugin(self, control_plane: ControlPlane, *arguments: str) -> str:
        """Run `kubectl cachemon`, and show the command and what it prints."""
        self.typed(shlex.join(["kubectl", "cachemon", *arguments]))
        output = _output_of_plugin(control_plane, arguments)
        self.shown(output)
        return output

    def plugin_until(self, condition: Callable[[str], T | None], control_plane: ControlPlane, *arguments: str) -> T:
        """Run `kubectl cachemon` until its output has something; show the command and that output.

        Args:
            condition: finds it in an output; None, False and empty mean "not yet".
            control_plane: that the command asks.
            arguments: of the command.
        """
        command = shlex.join(["kubectl", "cachemon", *arguments])

        def found_in_output() -> tuple[str, T] | None:
            output = _output_of_plugin(control_plane, arguments)
            found = condition(output)
            return (output, found) if found else None

        output, found = until(f"`{command}` to print what the demo needs", found_in_output)
        self.typed(command)
        self.shown(output)
        return found

    def apply(self, control_plane: ControlPlane, file: Path) -> None:
        """Show a file and apply it."""
        self.typed(f"cat {file.name}")
        self.shown(file.read_text(encoding="utf-8"))
        self.typed(f"kubectl apply -f {file.name}")
        self.shown(control_plane.kubectl("apply", "-f", str(file)))

    def wait(self, what: str, condition: Callable[[], T | None], *, seconds: float = 30) -> T:
        """Wait for what the step promises, and say how long it took."""
        began = self._clock()
        answer = until(what, condition, seconds=seconds)
        self._print(self._dim(f"... {what}: {self._clock() - began:.1f} s"))
        return answer

    def _bold(self, text: str) -> str:
        return f"{_BOLD}{text}{_PLAIN}" if self._styled else text

    def _dim(self, text: str) -> str:
        return f"{_DIM}{text}{_PLAIN}" if self._styled else text

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def _output_of_plugin(control_plane: ControlPlane, arguments: Sequence[str]) -> str:
    done = subprocess.run(
        [program("kubectl-cachemon"), *arguments],
        env={**os.environ, "KUBECONFIG": str(control_plane.admin_kubeconfig)},
        text=True,
        capture_output=True,
        check=True,
    )
    return done.stdout + done.stderr
