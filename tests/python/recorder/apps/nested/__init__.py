"""A package of packages."""
