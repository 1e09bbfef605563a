"""The agent of one node: three loops over shared immutable snapshots.

API objects -> reconcile -> Layout -> sample -> Figures -> publish -> API status, /metrics
"""
