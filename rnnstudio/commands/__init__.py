"""One module a command: each parses, calls the rooms below, and prints."""
