"""The state: the status transitions of purchases, and where purchases are stored."""
