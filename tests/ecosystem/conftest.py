from support.fixtures import folder, offline, pipeline, project, vendor
from support.s3 import bucket, s3_server

__all__ = ["bucket", "folder", "offline", "pipeline", "project", "s3_server", "vendor"]
