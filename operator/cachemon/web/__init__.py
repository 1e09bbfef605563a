"""The page in the browser: one server, and what it sends, for the programs of KubeVirt and of plain hosts."""
