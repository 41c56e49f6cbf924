"""The store in SQL: one text of statements for every database, over its DB-API 2 driver."""
