"""What a command does, without a word to anybody: the command line and the Python face stand on it."""
