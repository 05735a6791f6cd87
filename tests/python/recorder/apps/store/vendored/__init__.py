"""Libraries that the app carries a copy of."""
