"""The order of resourceVersions. Pure."""


def version_number(resource_version: str) -> int:
    """A resourceVersion as a number; within one resource the larger number is the newer version.

    KEP-5504 (Kubernetes 1.35) promises that; every API server that stores in etcd has done so before.

    Raises:
        TypeError, ValueError: it is no number.
    """
    return int(resource_version)
