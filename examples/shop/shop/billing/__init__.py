"""Invoices, payments and accounts."""
