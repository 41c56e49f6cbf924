"""Values become a campaign, and a campaign its jobs."""
