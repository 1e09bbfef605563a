"""The least of a Python program with an agent's duties, to find which part of an agent's CPU time is its own.

    python -m tests.bench.bare_loop KUBECONFIG RESCTRL SECONDS WRITES

Once a second a thread wakes up and reads every counter; evenly spread over the seconds a status is written, of
the groups there are one after the other, and not kept (dry run). Nothing is parsed, looked for or decided. Prints the
CPU seconds that this took.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp

from cachemon.kube.login import load_credentials
from cachemon.model.api import GROUPS

_LONGEST_VALUE = 24


async def live(kubeconfig: Path, descriptors: Sequence[int], seconds: int, writes: int) -> float:
    """Do it for so long; answers the CPU seconds."""

    def read() -> None:
        for descriptor in descriptors:
            os.pread(descriptor, _LONGEST_VALUE, 0)

    credentials = await load_credentials(kubeconfig)
    connector = aiohttp.TCPConnector(ssl=credentials.tls())
    with ThreadPoolExecutor(1) as thread:
        async with aiohttp.ClientSession(connector=connector) as session:
            token = await credentials.bearer_token()
            headers = {"Authorization": f"Bearer {token}"}
            root = f"{credentials.server}/apis/{GROUPS.api_version}"
            async with session.get(f"{root}/{GROUPS.plural}", headers=headers) as answer:
                objects = cycle((await answer.json())["items"])
            began, cpu, written = time.monotonic(), time.process_time(), 0
            for second in range(seconds):
                await asyncio.get_running_loop().run_in_executor(thread, read)
                while written < (second + 1) * writes // seconds:
                    await write(session, root, headers, next(objects))
                    written += 1
                await asyncio.sleep(max(0.0, began + second + 1 - time.monotonic()))
            return time.process_time() - cpu


async def write(session: aiohttp.ClientSession, root: str, headers: dict[str, str], obj: dict[str, Any]) -> None:
    """One write of a status as an agent's, which the API server checks and does not keep."""
    metadata = obj["metadata"]
    url = f"{root}/namespaces/{metadata['namespace']}/{GROUPS.plural}/{metadata['name']}/status"
    status = {key: obj["status"][key] for key in ("observedTime", "summary", "groups")}
    body = {
        "apiVersion": GROUPS.api_version,
        "kind": GROUPS.kind,
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "status": status,
    }
    query = {"fieldManager": "bench", "force": "true", "dryRun": "All"}
    more = {"Content-Type": "application/apply-patch+yaml"}
    async with session.patch(url, params=query, json=body, headers=headers | more) as answer:
        answer.raise_for_status()
        await answer.read()


if __name__ == "__main__":
    kubeconfig, resctrl, seconds, writes = sys.argv[1:]
    paths = sorted(Path(resctrl).glob("mon_groups/cachemon-*/mon_data/*/*"))
    files = [os.open(path, os.O_RDONLY) for path in paths]
    print(asyncio.run(live(Path(kubeconfig), files, int(seconds), int(writes))))
