"""The operations, one file a family, and the table of all of them."""
