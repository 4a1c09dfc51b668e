"""stellar's Soroban host, compiled to WebAssembly, behind typed calls."""
