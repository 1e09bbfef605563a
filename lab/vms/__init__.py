"""Virtual machines as KubeVirt runs them: real QEMUs, and the objects that KubeVirt keeps for them."""
