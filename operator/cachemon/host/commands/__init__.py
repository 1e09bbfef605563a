"""The program cachemon: commands for a plain libvirt host."""
