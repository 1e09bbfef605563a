"""The Grafana dashboards: what they ask, how values look, and which panels they have."""
