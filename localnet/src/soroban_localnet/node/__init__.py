"""The node: it takes transactions, closes ledgers, and knows nothing of RPC or HTTP."""
