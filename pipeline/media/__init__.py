"""Media files: their kind, size and length, and stills. A module that needs PyAV and Pillow says so."""
