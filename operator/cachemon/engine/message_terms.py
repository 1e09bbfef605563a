"""How messages call what differs between a node of Kubernetes and a plain host."""

from dataclasses import dataclass

__all__ = ["Words"]


@dataclass(frozen=True, slots=True)
class Words:
    """Parts of sentences.

    Attributes:
        machine: what this machine is.
        sought: how the QEMUs of a guest are looked for; their owners' UIDs follow.
        nowhere: stands for the owners when there are none.
        too_many: what to do when too many processes say that they are a guest's.
        relief: what a person can do when monitors are short.
    """

    machine: str
    sought: str
    nowhere: str
    too_many: str
    relief: str
