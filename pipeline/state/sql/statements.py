"""Every statement of the store, in the SQL that SQLite and PostgreSQL share.

`?` occurs only as a placeholder, and `%` not at all, so the placeholders can be replaced for another driver.
RETURNING tells what was written, because a driver's row count may be -1. ON CONFLICT is not used: it names the
columns of a key, and in a database of many campaigns each key also has the campaign.
"""

EPOCH = "SELECT epoch FROM meta"

PURCHASES = "SELECT id, revision, status, reason, key, fingerprint, cost, run, document FROM purchases"

REVISIONS = "SELECT id, revision FROM purchases"

PURCHASE = f"{PURCHASES} WHERE id = ?"

ADD_PURCHASE = """
    INSERT INTO purchases (id, revision, status, reason, key, fingerprint, cost, run, document)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# Compare-and-set: nothing is written if the purchase has changed since it was read.
SET_PURCHASE = """
    UPDATE purchases
    SET revision = ?, status = ?, reason = ?, key = ?, fingerprint = ?, cost = ?, document = ?
    WHERE id = ? AND revision = ? AND status = ?
    RETURNING id
"""

# Marks the intent as recorded elsewhere and imported, if the purchase came from a join and so has no run.
SET_RECORDED = "UPDATE purchases SET run = ? WHERE id = ? AND run = ''"

ADD_EVENT = """
    INSERT INTO events (purchase, revision, at, event, before, after, detail) VALUES (?, ?, ?, ?, ?, ?, ?)
"""

REMOVE_EVENTS = "DELETE FROM events WHERE purchase = ?"

SET_REVISION = "UPDATE purchases SET revision = ? WHERE id = ?"

EVENTS = "SELECT at, purchase, event, before, after, detail FROM events ORDER BY purchase, revision"

EVENTS_OF = (
    "SELECT at, purchase, event, before, after, detail FROM events WHERE purchase = ? ORDER BY revision"
)

SERVED = "SELECT key, purchase, serial FROM served"

REMOVE_SERVED = "DELETE FROM served WHERE key = ?"

ADD_SERVED = "INSERT INTO served (key, purchase, serial) VALUES (?, ?, ?)"

# Two hashes of the results last joined or written: `joined` is that of their bytes, `told` that of their inputs (all
# that they were made from), empty once a purchase has changed since.
RESULTS = "SELECT joined, told FROM results"

REMOVE_RESULTS = "DELETE FROM results"

ADD_RESULTS = "INSERT INTO results (joined, told) VALUES (?, ?)"

FORGET_INPUTS = "UPDATE results SET told = ''"

FILES = "SELECT path, purchase, slot, sha256, bytes, mtime_ns FROM files ORDER BY path"

REMOVE_FILE = "DELETE FROM files WHERE path = ?"

ADD_FILE = "INSERT INTO files (path, purchase, slot, sha256, bytes, mtime_ns) VALUES (?, ?, ?, ?, ?, ?)"

DURATIONS = "SELECT template_id, count, mean FROM durations"

ADD_DURATION = "INSERT INTO durations (template_id, count, mean) VALUES (?, 1, ?)"

# Adds one duration to a template's mean.
SET_DURATION = """
    UPDATE durations SET count = count + 1, mean = mean + (? - mean) / (count + 1)
    WHERE template_id = ?
    RETURNING template_id
"""
