"""A declarative runner for media campaigns: manifests in git, videos out, never paid twice."""

__version__ = "0.1.0"
