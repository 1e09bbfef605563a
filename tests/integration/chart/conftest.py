from lab.kubernetes.pytest_fixtures import control_plane, namespace

__all__ = ["control_plane", "namespace"]
