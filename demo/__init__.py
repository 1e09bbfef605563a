"""The two demos and their story."""
