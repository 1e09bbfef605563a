"""A real Kubernetes on one machine, without a container engine: kubelets, containerd and runc in namespaces.

    cluster -> {control_plane, node} -> network
            -> {programs, images}
    install -> {chart, emulated, vmi} -> kubectl, for any cluster

The control plane has a network namespace of its own, each node one for network, mounts and processes. No
namespace has a name: all of them end with the processes that are in them.
"""
