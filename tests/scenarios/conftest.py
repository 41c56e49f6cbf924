from support.cluster import dask_cluster
from support.fixtures import folder, fork_server, offline, pipeline, project, start, vendor
from support.pooler import pooler
from support.s3 import bucket, s3_server
from support.shards import state, twelve

__all__ = [
    "bucket",
    "dask_cluster",
    "folder",
    "fork_server",
    "offline",
    "pipeline",
    "pooler",
    "project",
    "s3_server",
    "start",
    "state",
    "twelve",
    "vendor",
]
