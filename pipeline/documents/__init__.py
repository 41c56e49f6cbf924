"""Turns text into values that know where they were written, and checks them by a schema."""
