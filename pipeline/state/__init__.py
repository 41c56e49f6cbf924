"""The state: the life of each purchase, and where it is stored."""
