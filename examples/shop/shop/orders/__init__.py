"""The orders of customers."""
