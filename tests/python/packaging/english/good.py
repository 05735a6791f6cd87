"""Measures links.

How it does so is private.
"""

# What follows measures nothing: `told` is a name.
told = None
is_none = told is None
print("How many links?", "soldered", "value is None", "`tells of`")
