"""cachemon on a plain libvirt host, without Kubernetes: the agent of the host and the commands of the host.

libvirt's domains + --live groups -> targets -> the engine -> figures -> socket, /metrics
"""
