"""Takes the vendor's calls: addresses that nobody can guess, receipts that are hints only, and what receives them."""
