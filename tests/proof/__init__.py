"""That no protection is there for nothing: each is taken out, and a test must see it."""
