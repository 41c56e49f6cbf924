"""The tables of the state file, as an ordered tuple of migrations; its length is the schema's version.

The statements are valid in both SQLite and PostgreSQL. A released migration is never changed; later needs get a new
migration at the end, so that a state of any age can be migrated.
"""

# "ViPl": identifies our files, in the header field that SQLite reserves for this.
APPLICATION_ID = 0x5669506C

_FIRST = (
    """CREATE TABLE meta (
        campaign TEXT NOT NULL,
        manifest TEXT NOT NULL,
        epoch BIGINT NOT NULL,
        dirty BIGINT NOT NULL
    )""",
    """CREATE TABLE purchases (
        id TEXT PRIMARY KEY,
        revision BIGINT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT,
        key TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        cost BIGINT NOT NULL,
        run TEXT NOT NULL,
        document TEXT NOT NULL
    )""",
    # Covers all that the caps need, so that checking an intent does not read the documents.
    "CREATE INDEX spent ON purchases (run, status, cost)",
    """CREATE TABLE events (
        purchase TEXT NOT NULL,
        revision BIGINT NOT NULL,
        at TEXT NOT NULL,
        event TEXT NOT NULL,
        before TEXT,
        after TEXT NOT NULL,
        detail TEXT NOT NULL,
        PRIMARY KEY (purchase, revision)
    )""",
    "CREATE TABLE served (key TEXT PRIMARY KEY, purchase TEXT NOT NULL)",
    """CREATE TABLE files (
        path TEXT PRIMARY KEY,
        purchase TEXT NOT NULL,
        slot TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        bytes BIGINT NOT NULL,
        mtime_ns BIGINT NOT NULL
    )""",
    """CREATE TABLE durations (
        template_id TEXT PRIMARY KEY,
        count BIGINT NOT NULL,
        mean DOUBLE PRECISION NOT NULL
    )""",
)

_SECOND = ("CREATE TABLE results (joined TEXT NOT NULL, told TEXT NOT NULL)",)

_THIRD = ("ALTER TABLE served ADD COLUMN serial BIGINT NOT NULL DEFAULT 1",)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _THIRD)
