"""The command line: parses, calls, prints. Exit codes are in each command's help."""
