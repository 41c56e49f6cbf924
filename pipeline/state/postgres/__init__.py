"""The state of a team in a PostgreSQL database. Only this module checks for the driver, an optional dependency."""

from pipeline.errors import UsageError

try:
    import psycopg  # noqa: F401 - it may be installed but find no libpq
except ImportError as error:
    raise UsageError(
        "--state postgresql://…: a state on PostgreSQL needs the extra 'postgres': "
        "pip install 'campaign-pipeline[postgres]'"
    ) from error
