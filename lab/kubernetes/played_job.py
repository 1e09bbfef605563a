"""A hook of the chart where nobody runs pods: its command as a process, with a token of its own service account."""

import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from kubernetes.client import ApiException

from lab.cluster import program
from lab.kubernetes.control_plane import ControlPlane

_POLL_SECONDS = 0.2
_RUN_SECONDS = 100


def run_job(
    control_plane: ControlPlane, job: Mapping[str, Any], *more_flags: str
) -> subprocess.CompletedProcess[str]:
    """Run what the Job's container would, in the image of the operator, and return when it has ended."""
    return run_pod(control_plane, job["spec"]["template"]["spec"], job["metadata"], *more_flags)


def run_pod(
    control_plane: ControlPlane, spec: Mapping[str, Any], metadata: Mapping[str, Any], *more_flags: str
) -> subprocess.CompletedProcess[str]:
    """The same of a pod's spec, and the metadata of what was made."""
    (container,) = spec["containers"]
    token = control_plane.service_account_token(metadata["namespace"], spec["serviceAccountName"])
    kubeconfig = control_plane.kubeconfig(metadata["name"], token)
    command = [program("cachemon-operator"), *container["args"], f"--kubeconfig={kubeconfig}", *more_flags]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_RUN_SECONDS)


class PlayedJob:
    """What became of a Job that `when_made` waited for.

    Attributes:
        ended: how its command ended; None when the Job was never made.
    """

    def __init__(self) -> None:
        self.ended: subprocess.CompletedProcess[str] | None = None


@contextmanager
def when_made(
    control_plane: ControlPlane, namespace: str, name: str, more_flags: Sequence[str] = ()
) -> Iterator[PlayedJob]:
    """Wait meanwhile for a new Job of that name; run it, and write into its status how that ended."""
    played, over = PlayedJob(), threading.Event()
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"

    def current_job() -> dict[str, Any]:
        try:
            found: dict[str, Any] = control_plane.request("GET", path)
        except ApiException:
            return {"metadata": {"uid": ""}}
        return found

    uid_before = current_job()["metadata"]["uid"]

    def play() -> None:
        while not over.wait(_POLL_SECONDS):
            job = current_job()
            if job["metadata"]["uid"] in ("", uid_before):
                continue
            played.ended = run_job(control_plane, job, *more_flags)
            status = _status(job, succeeded=played.ended.returncode == 0)
            control_plane.request(
                "PATCH", f"{path}/status", {"status": status}, content_type="application/merge-patch+json"
            )
            return

    player = threading.Thread(target=play)
    player.start()
    try:
        yield played
    finally:
        over.set()
        player.join()


def _status(job: Mapping[str, Any], *, succeeded: bool) -> dict[str, Any]:
    """As the Job controller writes it: batch/v1 validation wants one condition after the other."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kinds = ("SuccessCriteriaMet", "Complete") if succeeded else ("FailureTarget", "Failed")
    reason = "CompletionsReached" if succeeded else "BackoffLimitExceeded"
    conditions = [
        {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": now, "lastProbeTime": now}
        for kind in kinds
    ]
    counts = {"succeeded": 1, "completionTime": now} if succeeded else {"failed": job["spec"]["backoffLimit"] + 1}
    return {"startTime": job["metadata"]["creationTimestamp"], "conditions": conditions, **counts}
