"""The command line: it parses, calls, and prints. Each command's help lists its exit codes."""
