"""The live gallery: a server that watches the records, sends changes to browsers, and accepts reviews."""
