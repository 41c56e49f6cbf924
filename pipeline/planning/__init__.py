"""Turns jobs and purchases into a plan: one action for each job. Pure: no I/O, no clock, no network."""
