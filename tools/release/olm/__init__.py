"""The bundle for OLM, and the installer that it starts."""
