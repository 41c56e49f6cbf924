"""Every statement of the store, in the SQL that SQLite and PostgreSQL share.

`?` stands for a value and occurs for nothing else, nor does `%`, so that a driver with other placeholders can
replace it. What was written is told by RETURNING: a driver's count of rows may be -1.
"""

EPOCH = "SELECT epoch FROM meta"

PURCHASES = "SELECT id, revision, status, reason, key, fingerprint, cost, run, document FROM purchases"

ADD_PURCHASE = """
    INSERT INTO purchases (id, revision, status, reason, key, fingerprint, cost, run, document)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# Compare and set: nothing is written where the purchase is not any more as the step found it.
SET_PURCHASE = """
    UPDATE purchases
    SET revision = ?, status = ?, reason = ?, key = ?, fingerprint = ?, cost = ?, document = ?
    WHERE id = ? AND revision = ? AND status = ?
    RETURNING id
"""

# That its intent was recorded elsewhere and imported: a purchase that a join brought belongs to no run.
SET_RECORDED = "UPDATE purchases SET run = ? WHERE id = ? AND run = ''"

ADD_EVENT = """
    INSERT INTO events (purchase, revision, at, event, before, after, detail) VALUES (?, ?, ?, ?, ?, ?, ?)
"""

EVENTS = "SELECT at, purchase, event, before, after, detail FROM events ORDER BY purchase, revision"

EVENTS_OF = (
    "SELECT at, purchase, event, before, after, detail FROM events WHERE purchase = ? ORDER BY revision"
)

SERVED = "SELECT key, purchase FROM served"

SERVE = """
    INSERT INTO served (key, purchase) VALUES (?, ?)
    ON CONFLICT (key) DO UPDATE SET purchase = excluded.purchase
"""

FILES = "SELECT path, purchase, slot, sha256, bytes, mtime_ns FROM files ORDER BY path"

PUT_FILE = """
    INSERT INTO files (path, purchase, slot, sha256, bytes, mtime_ns) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (path) DO UPDATE SET purchase = excluded.purchase, slot = excluded.slot,
        sha256 = excluded.sha256, bytes = excluded.bytes, mtime_ns = excluded.mtime_ns
"""

REMOVE_FILE = "DELETE FROM files WHERE path = ?"

DURATIONS = "SELECT template_id, count, mean FROM durations"

# One duration more in a template's mean.
LEARN_DURATION = """
    INSERT INTO durations (template_id, count, mean) VALUES (?, 1, ?)
    ON CONFLICT (template_id) DO UPDATE SET count = durations.count + 1,
        mean = durations.mean + (excluded.mean - durations.mean) / (durations.count + 1)
"""
