"""A plain libvirt host: its agent, its commands, and what they say to each other."""
