"""The survey of an app's source for ``splitcost init``: its app object, its routes and its modules.

Started with ``python -m splitcost.survey DIRECTORY``; it prints one JSON document. Nothing of the app is imported or
run: its files are only parsed, by the interpreter that the app runs with.
"""
