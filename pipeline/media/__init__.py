"""Media files: their kind, size and length, and stills of them. Modules that need PyAV and Pillow say so."""
