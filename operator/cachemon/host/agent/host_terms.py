"""Terms of messages on a plain libvirt host."""

from cachemon.engine.message_terms import MessageTerms

HOST_TERMS = MessageTerms(
    machine="host",
    search="searched by libvirt's pid file and the UUID",
    no_owner="of no domain",
    too_many_qemus="see which ones with `ps -ef`",
    shortage_advice="use fewer groups; domains take turns",
    foreign_advice="stop that program from monitoring the domain (libvirt: a <monitor> in the domain's XML)",
)
