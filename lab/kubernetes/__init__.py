"""A real Kubernetes API on loopback, and what the project finds in it."""
