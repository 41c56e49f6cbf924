from support.fixtures import folder, offline, pipeline, project, vendor

__all__ = ["folder", "offline", "pipeline", "project", "vendor"]
