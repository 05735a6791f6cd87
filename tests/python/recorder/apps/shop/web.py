"""The web face, by FastAPI."""

import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.concurrency import run_in_threadpool

from shop import orders, pricing

app = FastAPI()

_both_in = None
_inside = 0


def session():
    yield pricing.Session()


@app.get("/plain/{n}")
def plain(n: int):
    return {"total": orders.total(n)}


@app.get("/later/{n}")
async def later(n: int):
    return {"total": await pricing.later(n)}


@app.get("/gathered/{n}")
async def gathered(n: int):
    return await asyncio.gather(*(pricing.later(i) for i in range(n)))


@app.get("/pool/{n}")
async def pool(n: int):
    return await run_in_threadpool(pricing.quote, n)


@app.get("/missing/{n}")
async def missing(n: int):
    raise HTTPException(404, pricing.quote(n))


@app.get("/broken")
async def broken():
    pricing.refuse(1)


@app.get("/session/{n}")
def with_session(n: int, live: Annotated[pricing.Session, Depends(session)]):
    return pricing.with_session(live, n)


@app.get("/meet/{n}")
async def meet(n: int):
    """Answers only when two requests are inside at once."""
    global _both_in, _inside
    _both_in = _both_in or asyncio.Event()
    _inside += 1
    if _inside == 2:
        _both_in.set()
    first = await pricing.later(n)
    await _both_in.wait()
    second = await pricing.later(first)
    return pricing.quote(second)
