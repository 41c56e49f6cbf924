"""Carries out a plan: one coordinator owns the schedule and the state, an executor makes the calls."""
