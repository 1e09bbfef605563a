"""Terms of messages that differ between a node of Kubernetes and a plain host."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MessageTerms:
    """Parts of sentences.

    Attributes:
        machine: what this machine is called.
        search: where QEMUs of a guest are searched; their owners' UIDs follow.
        no_owner: replaces the UIDs when there are none.
        too_many_qemus: what to do about too many processes that claim to be a guest's.
        shortage_advice: what to do about a shortage of RMIDs or counters.
        foreign_advice: what to do about threads that another program monitors.
    """

    machine: str
    search: str
    no_owner: str
    too_many_qemus: str
    shortage_advice: str
    foreign_advice: str
