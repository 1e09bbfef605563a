#!/usr/bin/env bash
# The first process of a node. All that runs on the node is below it and ends with it; all that is mounted is in the
# node's own mount namespace. Called by lab/nodes/node.py as
#   node-init.sh FOLDER KUBELET KUBELET-FLAGS...
set -euo pipefail
folder=$1 kubelet=$2
shift 2

# A /run of its own: containerd's state, CNI's namespaces, what pods are shown of the host.
mount -t tmpfs -o mode=755 node /run
mkdir -p /run/netns /run/containerd /run/cgroup

# /sys/fs/resctrl is there only where the hardware has it, and nobody can make a directory in /sys.
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t tmpfs -o mode=755 node /sys/fs
mkdir /sys/fs/cgroup /sys/fs/resctrl
mount --rbind /run/cgroup /sys/fs/cgroup
umount --recursive --lazy /run/cgroup

mount --make-rshared / # pods ask for mounts that come later (HostToContainer), and make some (Bidirectional)

containerd --config "$folder/containerd.toml" >"$folder/log/containerd.log" 2>&1 &
until [ -S /run/containerd/containerd.sock ] && ip route show default | grep -q .; do sleep 0.05; done
"$kubelet" "$@" >"$folder/log/kubelet.log" 2>&1 &
wait
