"""What every agent runs, on a node of Kubernetes and on a plain libvirt host: from targets to figures.

targets -> reconcile -> Layout -> sample -> Figures

The agent around it defines what an object is and publishes the figures.
"""
