"""The prices of articles: pure rules, no database."""
