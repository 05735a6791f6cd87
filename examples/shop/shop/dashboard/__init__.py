"""The page a customer sees first."""
