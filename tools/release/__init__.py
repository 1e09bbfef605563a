"""What makes a release: every artefact into one folder, the same bytes each time. Nothing here publishes."""
