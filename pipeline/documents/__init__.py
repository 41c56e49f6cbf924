"""Text becomes values that know where they were written, and a schema that speaks of them."""
