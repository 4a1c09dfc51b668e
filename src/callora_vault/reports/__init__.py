"""Reports of a run as documents for programs."""
