"""The Python halves of ``splitcost bench codecs`` and ``splitcost bench call``.

Started with ``python -m splitcost.bench``; they answer lines of JSON on stdin with lines of JSON on stdout,
and end when stdin does.
"""
