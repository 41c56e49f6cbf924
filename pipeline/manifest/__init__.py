"""Turns values into a campaign, and a campaign into jobs."""
