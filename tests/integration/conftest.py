"""One Kubernetes API for all of these tests, also for those of several folders: each takes processor time."""

from lab.kubernetes.pytest_fixtures import control_plane, empty, namespace

__all__ = ["control_plane", "empty", "namespace"]
