"""What makes the calls of a run that may be repeated, besides threads of its own: the workers of a cluster."""
