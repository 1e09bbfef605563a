"""Who uses the last-level cache and the memory bandwidth of a KubeVirt node."""

__version__ = "0.1.0"
