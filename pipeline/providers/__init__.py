"""Who sells: the port, and what speaks to each vendor behind it."""
