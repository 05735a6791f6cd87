"""The stock of each article, by warehouse."""
