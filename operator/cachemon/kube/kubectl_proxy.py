"""`kubectl proxy` as a process: kubectl finds the API server and logs in, as for its own commands.

So kubeconfigs, environment, proxies, exec plugins and impersonation mean what they mean to kubectl (client-go,
tools/clientcmd and rest). The proxy listens on a unix socket that only this user can reach.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from cachemon.kube.kubectl_api import KubectlApi
from cachemon.kube.private_folder import private_folder
from cachemon.model.errors import InvalidInputError

_PROGRAMS = ("kubectl", "oc")
"""OpenShift's oc has all commands of kubectl, and finds the plugins of kubectl."""
_CHUNK_BYTES = 1 << 16
_SERVES = b"Starting to serve on "
_SHELL = """
exec 4<&0
"$@" <&4 3<&- 4<&- &
kubectl=$!
exec 2>/dev/null 4<&-
{ read -r _ <&3; kill $kubectl; } >&- &
wait $kubectl
"""
"""Ends kubectl when descriptor 3 closes, so also when this program is killed. kubectl keeps the terminal: exec
plugins may ask something there."""
_LOG_LINE = re.compile(rb"[EWI]\d{4} \d\d:\d\d:\d\d\.")
"""How a line of klog begins. kubectl logs each request that fails, and answers it with the same text."""
_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@asynccontextmanager
async def proxied_api(
    flags: Sequence[str], *, request_seconds: float, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[KubectlApi]:
    """Start `kubectl proxy` for the time of the context.

    Args:
        flags: of kubectl, that say which server and who asks.
        request_seconds: how long one request may take.
        environment: has PATH and all that kubectl takes from it.

    Raises:
        InvalidInputError: there is no kubectl, it refuses flags or kubeconfig, or no folder for its socket.
    """
    with private_folder(environment) as folder:
        path = folder / "api"
        async with _proxy(path, flags, environment):
            api = KubectlApi(path, request_seconds=request_seconds)
            try:
                yield api
            finally:
                api.close()


@asynccontextmanager
async def _proxy(path: Path, flags: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[None]:
    watched, ours = os.pipe()
    process = None
    try:
        command = [_kubectl(environment), "proxy", f"--unix-socket={path}", "--append-server-path=true", *flags]
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", f"exec 3</dev/fd/{watched}\n{_SHELL}", "sh", *command,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, pass_fds=(watched,), env=environment,
        )  # fmt: skip
        os.close(watched)
        watched = -1
        remarks = asyncio.create_task(_show_remarks(process))
        await _wait_until_it_serves(process, remarks)
        yield
    finally:
        os.close(ours)
        if watched >= 0:
            os.close(watched)
        if process is not None:
            await process.wait()
            await remarks


def _kubectl(environment: Mapping[str, str]) -> str:
    beside = os.pathsep + os.fspath(Path(sys.executable).parent)  # PyPI has kubectl, too
    path = environment.get("PATH", "") + beside
    for name in _PROGRAMS:
        if found := shutil.which(name, path=path):
            return found
    raise InvalidInputError(
        "kubectl is not on the PATH, and this program asks the API server through it; install kubectl or oc"
    )


async def _wait_until_it_serves(process: asyncio.subprocess.Process, remarks: asyncio.Task[bytes]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        if line.startswith(_SERVES):
            return
    raise InvalidInputError(_plain(await remarks) or f"kubectl proxy ended with code {await process.wait()}")


async def _show_remarks(process: asyncio.subprocess.Process) -> bytes:
    """Hand on what exec plugins say on standard error, a question without its end included; not what kubectl logs.

    Returns:
        The end of kubectl's own output before it served.
    """
    assert process.stderr is not None
    output, at_line_start = b"", True
    while chunk := await process.stderr.read(_CHUNK_BYTES):
        output = (output + chunk)[-_CHUNK_BYTES:]
        for line in chunk.splitlines(keepends=True):
            if not (at_line_start and (_LOG_LINE.match(line) or line.startswith(b"error: "))):
                sys.stderr.buffer.write(line)
                sys.stderr.flush()
            at_line_start = line.endswith(b"\n")
    return output


def _plain(output: bytes) -> str:
    """Kubectl's last line without its `error: `."""
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else ""


class Context(NamedTuple):
    """What kubectl would take without flags.

    Attributes:
        namespace: that of the context, else of the pod, else `default`.
        name: of the context; empty where there is none.
    """

    namespace: str
    name: str = ""


async def current_context(flags: Sequence[str], environment: Mapping[str, str] = os.environ) -> Context:
    """The context and the namespace that kubectl would take without -n.

    Raises:
        InvalidInputError: there is no context, so kubectl would ask localhost:8080.
    """
    process = await asyncio.create_subprocess_exec(
        _kubectl(environment), "config", "view", "--minify", "--output=json", *flags,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    out, err = await process.communicate()
    if process.returncode == 0:
        contexts = json.loads(out).get("contexts") or [{}]
        namespace = contexts[0].get("context", {}).get("namespace") or _namespace_of_pod(environment) or "default"
        return Context(namespace, contexts[0].get("name", ""))
    if namespace := _namespace_of_pod(environment):
        return Context(namespace)
    if b"current-context must exist" in err and any(flag.startswith("--server=") for flag in flags):
        return Context("default")
    if b"current-context must exist" in err:
        raise InvalidInputError(
            "no context is chosen: set KUBECONFIG, or choose one with --context (kubectl config get-contexts)"
        )
    raise InvalidInputError(_plain(err))


def _namespace_of_pod(environment: Mapping[str, str]) -> str:
    """The namespace of the pod that we run in; empty outside of one."""
    if "KUBERNETES_SERVICE_HOST" not in environment or not _ACCOUNT_NAMESPACE.exists():
        return ""
    return environment.get("POD_NAMESPACE") or _ACCOUNT_NAMESPACE.read_text(encoding="utf-8").strip()
