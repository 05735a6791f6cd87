"""One request per way of holding a function."""

import sys

from fastapi import FastAPI

from tariff import rates, tools

app = FastAPI()


@app.get("/ready")
async def ready():
    return "ready"


@app.get("/watched/{n}")
def watched(n: int):
    """Answer otherwise in a process of a rehearsal."""
    return [n, "splitcost.rehearsal" in sys.modules]


@app.get("/table/{n}")
def table(n: int):
    return rates.RATES["day"](n)


@app.get("/awaited/{n}")
async def awaited(n: int):
    return await rates.AWAITED["night"](n)


@app.get("/registry/{n}")
def registry(n: int):
    return tools.HANDLERS["weekend"](n)


@app.get("/decorator/{n}")
def decorator(n: int):
    return rates.taxed(n)


@app.get("/partial/{n}")
def partial(n: int):
    return rates.rounded_to_ten(n)


@app.get("/dispatch/{n}")
def dispatch(n: int):
    return rates.shown(n)


@app.get("/bound/{n}")
def bound(n: int):
    return rates.READERS["read"](n) + rates.meter.read_twice()
