"""Where files go on this machine, and whether they are whole."""
