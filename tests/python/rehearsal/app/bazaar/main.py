"""The web app: `POST /run` calls one function by name in the requested way, and answers with the outcome."""

import asyncio
import base64
import contextlib
import functools
import os
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from splitcost import codec

from bazaar import copies, held, inventory, orders, pricing
from bazaar import types as kinds
from bazaar.orders import helper_pid
from bazaar.pricing import cached, numbers

STARTED = {}
pool = ThreadPoolExecutor(2)


@contextlib.asynccontextmanager
async def lifespan(_app):
    STARTED["pricing"] = pricing.where()["pid"]
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health():
    return {"pid": os.getpid(), "started": STARTED}


def session():
    yield threading.Lock()


@app.post("/run")
async def run(request: Request, name: str, how: str = "loop"):
    """The body holds encoded arguments; the answer holds the encoded outcome."""
    args = codec.decode(await request.body())
    function = function_of(name)
    try:
        if how == "thread":
            result = await asyncio.to_thread(function, *args)
        elif how == "executor":
            result = await asyncio.get_running_loop().run_in_executor(
                pool, functools.partial(function, *args)
            )
        elif how == "anyio":
            result = await run_in_threadpool(function, *args)
        elif how == "task":
            result = await asyncio.create_task(function(*args))
        elif how == "gather":
            result = await asyncio.gather(*(function(*args) for _ in range(3)))
        else:
            result = function(*args)
            if asyncio.iscoroutine(result):
                result = await result
    except Exception as error:
        return failure(error)
    return success(result)


def function_of(name):
    function = SPECIAL.get(name)
    if function is None:
        module, _, attribute = name.partition(":")
        function = getattr(
            {"pricing": pricing, "inventory": inventory, "orders": orders.service, "copies": copies}[module],
            attribute,
        )
    return function


def success(result):
    return {"result": base64.b64encode(codec.encode(result)).decode(), "pid": os.getpid()}


def failure(error):
    facts = {"type": type(error).__name__, "text": str(error), "notes": getattr(error, "__notes__", [])}
    facts["trace"] = traceback.format_exc()
    facts |= {
        key: getattr(error, key)
        for key in ("path", "reason", "file", "line", "callee")
        if hasattr(error, key)
    }
    facts["attributes"] = {key: value for key, value in vars(error).items() if type(value) in (int, str)}
    facts["args"] = repr(error.args)
    return {"error": facts}


@app.get("/stub-dependency")
def depends(value: Annotated[dict, Depends(pricing.where)], lock: Annotated[object, Depends(session)]):
    return {"pid": os.getpid(), "dependency": value["pid"]}


def live_argument():
    return pricing.with_session(threading.Lock(), limit=3)


def nested_live_argument():
    return pricing.size({"items": [1, {"lock": threading.Lock()}]})


def callback_argument():
    return pricing.with_callback(lambda: 1)


def generator_argument():
    return pricing.size(x for x in range(3))


def cyclic_argument():
    loop = []
    loop.append(loop)
    return pricing.size(loop)


def discount_twice():
    lines = [kinds.Line(1, kinds.Decimal(5))]
    return pricing.discount(lines)


def reserve_local():
    return inventory.reserve(threading.Lock(), 1)


def take_local():
    stocks = {"left": 3}
    pids = [inventory.take(stocks), inventory.take(stocks)]
    return [stocks["left"], *pids]


def lock_local():
    return type(inventory.lock()).__name__


def generate():
    with pricing.held() as pid:
        return [list(numbers(3)), pid]


async def generate_async():
    return [i async for i in pricing.anumbers(3)]


def facts():
    """Properties of a foreign module, seen from outside."""
    return {
        "currency": pricing.CURRENCY,
        "signature": "lines" in str(__import__("inspect").signature(pricing.quote)),
        "name": pricing.__name__,
        "in_dir": "quote" in dir(pricing),
        "package_helper": helper_pid(),
        "cached": cached(1),
        "pid": os.getpid(),
        "basket": orders.service.Basket().pids(),
    }


def patched():
    from unittest import mock

    with mock.patch("bazaar.pricing.where", return_value={"pid": 0}):
        inside = pricing.where()["pid"]
    return [inside, pricing.where()["pid"]]


def sum_lines():
    return pricing.quote([kinds.Line(1, kinds.Decimal("2.50")), kinds.Line(2, kinds.Decimal("0.10"))])


def large_echo(size):
    """The text is made here, and its way from the test is not measured."""
    return len(pricing.echo("x" * size))


async def large_echo_async(size):
    return len(await pricing.echo_async("x" * size))


def large_size(size):
    return pricing.size("x" * size)


async def large_size_async(size):
    return await pricing.size_async("x" * size)


def large_made(size):
    return len(pricing.made(size))


async def large_made_async(size):
    return len(await pricing.made_async(size))


async def methods():
    """Call each kind of method of a service object of `pricing`."""
    register, nameless, changed = pricing.register, pricing.Register("2"), []
    register.fill(changed)
    try:
        register.fail()
    except kinds.OutOfStock as error:
        failed = vars(error)
    return {
        "plain": register.where(),
        "awaited": await register.where_async(),
        "twice": register.where_twice(),
        "kept": register.kept(),
        "property": register.process,
        "static": pricing.Register.added(1, 2),
        "class": pricing.Register.named("!"),
        "subclass": pricing.Till.named("?"),
        "call": register(3),
        "pool": await asyncio.to_thread(register.where),
        "changed": changed,
        "failed": failed,
        "nameless": nameless.where(),
        "field": str(register.rate),
    }


async def called_where_held():
    """Calls functions that tables, decorator objects, partials and descriptors hold."""
    scale = held.scale
    return {
        "table": held.TABLE["first"](1),
        "awaited": await held.TABLE["second"](2),
        "task": await asyncio.create_task(held.TABLE["second"](3)),
        "registry": copies.REGISTRY["registered"](4),
        "decorator": held.injected(5),
        "partial": held.quote_pieces(6),
        "dispatch": [held.render(7), held.render("seven"), held.render(7.5)],
        "implementation": [held.render.dispatch(kind)(value) for kind, value in ((int, 8), (str, "8"))],
        "generator": [list(each(2)) for each in held.GENERATORS],
        "bound": held.BOUND["weigh"](9),
        "cached": scale.largest,
        "partial method": scale.half(),
        "dispatch method": [scale.show(10), scale.show("ten")],
        "at home": held.at_home(11),
    }


SPECIAL = {
    function.__name__: function
    for function in (
        live_argument,
        nested_live_argument,
        callback_argument,
        generator_argument,
        cyclic_argument,
        discount_twice,
        reserve_local,
        take_local,
        lock_local,
        generate,
        generate_async,
        facts,
        large_echo,
        large_echo_async,
        large_size,
        large_size_async,
        large_made,
        large_made_async,
        methods,
        called_where_held,
        patched,
        sum_lines,
    )
}
