"""`make kind`: a cluster that kind makes with Docker or Podman, where need be without pulling an image."""
