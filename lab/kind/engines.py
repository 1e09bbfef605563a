"""The container engines that kind can work with."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.nodes.buildah import Recipe

ENGINES = ("docker", "podman")

Run = Callable[[Sequence[str | Path]], int]


def _quietly(command: Sequence[str | Path]) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


def engine_of(which: Callable[[str], str | None] = shutil.which, run: Run = _quietly) -> str | None:
    """The container engine that answers; None where there is none.

    Args:
        which: finds programs.
        run: runs a command and returns its exit status.
    """
    return next((engine for engine in ENGINES if which(engine) and run([engine, "info"]) == 0), None)


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine that answers.

    Attributes:
        name: of its program.
        variables: of the environment, beside this process's own.
        api_port: of loopback, where the API server is to be; any free one where absent.
    """

    name: str
    variables: Mapping[str, str]
    api_port: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """For its program and for kind."""
        return {**os.environ, "KIND_EXPERIMENTAL_PROVIDER": self.name, **self.variables}

    def run(self, *arguments: str | Path, given: str | None = None) -> None:
        """Run the engine's program.

        Raises:
            subprocess.CalledProcessError: it failed; its errors are on standard error.
        """
        command = [self.name, *arguments]
        subprocess.run(command, env=self.environment, input=given, text=True, check=True, stdout=subprocess.DEVNULL)

    def build(self, recipe: Recipe) -> None:
        """Build an image."""
        self.run(*build_arguments(recipe))


def build_arguments(recipe: Recipe) -> list[str | Path]:
    """How an engine builds an image."""
    return [
        *("build", f"--tag={recipe.name}", f"--file={recipe.containerfile}"),
        *([f"--target={recipe.target}"] if recipe.target else []),
        *(f"--build-arg={name}={value}" for name, value in recipe.arguments.items()),
        recipe.context,
    ]
