"""The ledger's entries as values, the store that holds them, and the rules around them."""
