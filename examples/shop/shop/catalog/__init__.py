"""The articles that the shop sells."""
