"""The pure model: values and decisions, no I/O. All layers above import from here; it imports from none."""
