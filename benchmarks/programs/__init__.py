"""What runs in processes of its own: the vendor, the yardsticks, and the engine on a clock that jumps."""
