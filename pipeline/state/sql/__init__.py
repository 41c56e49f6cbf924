"""The store in SQL, by SQLAlchemy Core: one for SQLite and PostgreSQL."""
