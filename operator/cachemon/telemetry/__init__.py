"""Prometheus families of groups, VMs, nodes and processes, and their text."""
