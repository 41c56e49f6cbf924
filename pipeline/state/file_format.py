"""The tables in which the state lies, as an ordered tuple of migrations; its length is the schema's version.

The statements are of the kind that SQLite and PostgreSQL share. A released migration is never changed: what
is needed later is added behind it, so that a state of any age can be brought up to date.
"""

# "ViPl": marks our files among those of other applications, in the header field that SQLite has for it.
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
    # All that the caps ask for, so that no intent waits for the documents to be read.
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

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND)
