"""What a campaign brought, written for people, scripts and git."""
