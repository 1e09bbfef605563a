"""One Kubernetes API for all of these tests, also for those of several folders: each costs processor time all along."""

from lab.kubernetes.pytest_fixtures import control_plane, namespace

__all__ = ["control_plane", "namespace"]
