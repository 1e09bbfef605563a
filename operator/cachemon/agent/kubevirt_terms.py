"""Terms of messages on a node of Kubernetes."""

from cachemon.engine.message_terms import MessageTerms

KUBEVIRT_TERMS = MessageTerms(
    machine="node",
    search="searched in:",
    no_owner="no pod",
    too_many_qemus="look into the pod",
    shortage_advice=(
        "use fewer groups, or raise `priority` (above 0 needs the verb prioritize); at equal priority namespaces "
        "take turns"
    ),
    foreign_advice="exclude the VM's pod from that program's monitoring, by its namespace or label",
)
