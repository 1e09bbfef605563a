"""The operator: says which node and pod a group is bound to, and whether its figures can be believed."""
