"""Ratios within one run: what the product costs, beside a yardstick that does the same without its promises."""
