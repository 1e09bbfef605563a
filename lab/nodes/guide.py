"""What to try on a cluster that is up."""

import os
import sysconfig
from pathlib import Path


def guide(kubeconfig: Path, end: str) -> str:
    """For a person who has a second terminal.

    Args:
        kubeconfig: of the cluster.
        end: how it ends.
    """
    programs = sysconfig.get_path("scripts")
    beside = "" if programs in os.environ.get("PATH", "").split(os.pathsep) else f"\n  export PATH={programs}:$PATH"
    return f"""
The cluster is up. In another terminal:
  export KUBECONFIG={kubeconfig}{beside}
  kubectl get nodes,pods -A
  kubectl get cachemonitornodes
  kubectl get cachemonitorgroups -A
  kubectl cachemon top -A
  kubectl cachemon domstats vm3 -n tenant-b
  kubectl logs -n cachemon-system daemonset/cachemon-agent
{end}"""
