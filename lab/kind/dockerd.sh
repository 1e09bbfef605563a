#!/usr/bin/env bash
# The first process of the lab's own Docker. All that it starts is below it and ends with it; mounts, bridges and rules
# of the packet filter are in its own namespaces. Called by lab/kind/own_docker.py as
#   dockerd.sh DOCKERD-FLAGS...
set -euo pipefail
mount -t tmpfs -o mode=755 docker /run
echo '{}' >/run/docker.json # instead of the distribution's configuration
ip link set lo up
dockerd "$@" &
wait
