"""The results of a campaign, written for people, scripts and git."""
