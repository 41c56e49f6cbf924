from support.fixtures import folder, offline, pipeline, project, start, vendor
from support.pooler import pooler

__all__ = ["folder", "offline", "pipeline", "pooler", "project", "start", "vendor"]
