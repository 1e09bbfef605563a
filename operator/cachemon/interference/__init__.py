"""Which VM takes cache or memory bandwidth from which other VM. Pure: windows in, verdicts out."""
