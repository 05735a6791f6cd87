"""One file per client; :mod:`splitcost.stacks` says what is in one."""
