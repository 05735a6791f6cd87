"""A small store, once by each framework: ``GET /items/{item}`` asks for a price, after a middleware of its own."""
