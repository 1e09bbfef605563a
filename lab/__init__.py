"""What demo and tests run on: a local Kubernetes, nodes and virtual machines. Not in the wheel."""
