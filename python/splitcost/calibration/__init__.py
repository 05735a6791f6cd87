"""The Python halves of ``splitcost calibrate``: a server and a client that speak a stack as a rehearsal does.

The client calls :mod:`splitcost.calibration.functions` through the rehearsal's own stubs, and the server is a
real uvicorn with the rehearsal's own hooks, so what is measured here is what a rehearsed call does. Both are
started with ``python -m splitcost.calibration``; the token is in ``SPLITCOST_TOKEN``. See
:mod:`splitcost.calibration.client` for the questions and answers.
"""
