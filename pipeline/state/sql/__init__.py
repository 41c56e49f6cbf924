"""The store in SQL: the same statements for every database, through its DB-API 2 driver."""
