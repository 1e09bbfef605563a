"""Memory accesses of real programs, recorded by a plugin of QEMU's software emulation (TCG).

Debian 12's qemu-system-x86_64 and qemu-x86_64 (QEMU 7.2) both load plugins. The user mode runs this machine's own
programs, without a guest, at 10 to 100 million instructions a second. So it was chosen. Valgrind's lackey
prints a line of text for each access and is far slower; Debian 12 has no DynamoRIO.
"""
