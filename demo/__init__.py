"""The two demos and how they tell their story."""
