"""Carries out a plan: one coordinator owns the schedule and the state, many hands do the calls."""
