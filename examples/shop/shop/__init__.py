"""A small shop: catalogue, stock, prices, orders, invoices and messages behind one HTTP API."""
