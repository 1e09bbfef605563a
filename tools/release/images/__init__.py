"""The images of a release: made for two architectures, described, and published by digest.

`make.py` makes them into the folder of a release, `publish.py` brings them to a registry and signs them.
"""
