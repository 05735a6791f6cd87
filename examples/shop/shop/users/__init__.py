"""Customers and their tiers."""
