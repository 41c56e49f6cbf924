"""Executors for the calls of a run that may be repeated, besides its own threads: the workers of a cluster."""
