"""What the two command lines share: kubectl cachemon and cachemon host."""
