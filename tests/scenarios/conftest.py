from support.fixtures import folder, offline, pipeline, project, start, vendor

__all__ = ["folder", "offline", "pipeline", "project", "start", "vendor"]
