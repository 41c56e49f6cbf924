from support.fixtures import folder
from support.s3 import bucket, s3_server

__all__ = ["bucket", "folder", "s3_server"]
