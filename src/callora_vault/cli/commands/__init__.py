"""The commands, a module for each group: their arguments, and what is called."""
