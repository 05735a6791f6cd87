"""Numbers for the management."""
