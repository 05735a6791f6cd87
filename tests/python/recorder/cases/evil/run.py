"""Passes every value on, and prints what ran."""

import sys

from app import back, values

made = values.values()
values.watch_imports()
for value in made:
    for _ in range(2):
        back.take(value, value, more=value)
found = list(values.RAN)
with open(sys.argv[1], "w") as out:
    print("ran", found, file=out)
