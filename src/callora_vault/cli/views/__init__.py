"""The output of the commands, a module for each group: text for people, JSON for programs."""
