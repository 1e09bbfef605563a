"""How the agent's messages call things on a node of Kubernetes."""

from cachemon.engine.message_terms import Words

__all__ = ["ON_A_NODE"]

ON_A_NODE = Words(
    machine="node",
    sought="looked for in:",
    nowhere="no pod",
    too_many="look into the pod",
    relief="lower the number of groups or raise `priority`; at equal priority namespaces take turns",
)
