"""The state of a team in a PostgreSQL database. Its driver comes with an extra; this is the one place that looks."""

from pipeline.errors import UsageError

try:
    import psycopg  # noqa: F401 - it may be there and find no libpq, so it is tried
except ImportError as error:
    raise UsageError(
        "--state postgresql://…: a state on PostgreSQL needs the extra 'postgres': "
        "pip install 'campaign-pipeline[postgres]'"
    ) from error
