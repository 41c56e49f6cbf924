"""The live gallery: a server watches the records, sends changes to browsers, takes reviews."""
