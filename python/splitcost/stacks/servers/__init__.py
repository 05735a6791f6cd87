"""One file per server; :mod:`splitcost.stacks` says what is in one."""
