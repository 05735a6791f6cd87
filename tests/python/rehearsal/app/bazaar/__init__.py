"""A small app with every kind of call between its modules; see ../../conftest.py for how it is split."""
