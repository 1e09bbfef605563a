"""The kubectl plugin: `kubectl cachemon`."""
