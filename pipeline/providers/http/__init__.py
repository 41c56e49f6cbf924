"""HTTP: the only folder that knows the HTTP library."""
