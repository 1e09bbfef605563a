"""A plain libvirt host: the program `cachemon`, its commands and its agent."""
