"""What the tests of the commands share: campaigns on disk, calls of the command line, real processes."""
