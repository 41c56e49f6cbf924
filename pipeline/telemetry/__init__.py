"""Metrics and traces of a run. Loaded only where one of them is asked for."""
