"""The agent of a plain libvirt host: cachemon host agent."""
