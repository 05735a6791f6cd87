"""An app whose requests have uncommitted writes when they call another module."""
