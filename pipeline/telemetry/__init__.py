"""Metrics and traces of a run. Loaded only if one of them is requested."""
