"""What makes the reference pages, the manifests and the pictures."""
