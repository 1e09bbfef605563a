"""How the agent's messages call things on a plain libvirt host."""

from cachemon.engine.message_terms import Words

__all__ = ["ON_A_HOST"]

ON_A_HOST = Words(
    machine="host",
    sought="looked for by libvirt's pid file and the UUID",
    nowhere="of no domain",
    too_many="see which ones with `ps -ef`",
    relief="lower the number of groups; domains take turns",
)
