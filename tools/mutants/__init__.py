"""Mutation testing: a change of a module's behaviour that its unit tests pass is a test that is missing.

A fork of one process tries each mutant: nothing is written, and pytest is imported once. Tools that start pytest anew
for each mutant took ten times as long.
"""
