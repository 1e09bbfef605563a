"""What long-running programs share: the HTTP server of health and metrics, its certificate, and who may read."""
