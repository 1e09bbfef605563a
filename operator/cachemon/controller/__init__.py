"""The operator: stamps groups for policies, binds groups to node and pod, says whether figures can be believed."""
