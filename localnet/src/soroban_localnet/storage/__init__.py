"""What is on disk or on another network: the state file, forks and their cache."""
