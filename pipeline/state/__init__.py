"""What is remembered: the life of a purchase, and where it is kept."""
