"""What every agent runs, on a node of Kubernetes and on a plain libvirt host: from targets to figures.

targets -> reconcile -> Layout -> sample -> Figures

What an object is, and who is told of its figures, is the business of the agent around it.
"""
