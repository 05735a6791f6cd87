"""An app whose functions are called by whoever holds them."""
