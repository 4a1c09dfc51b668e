"""What the commands show, a module for each group: text for people, JSON for programs."""
