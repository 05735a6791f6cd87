"""The web app: `GET /call?name=` calls one of its functions and answers with the result."""

import asyncio
import inspect
import os

from fastapi import FastAPI
from pydantic import BaseModel

from market import stock
from market.carts import Cart

app = FastAPI()
app.state.registry = stock.Registry()
KEPT = []


class Model(BaseModel):
    count: int = 0


class Corner(stock.Shelf):
    """A subclass in another service than its base: each method runs in the service of its class."""

    def report(self):
        return [os.getpid(), *super().report()]

    def label(self):
        return f"corner {os.getpid()}"


@app.get("/health")
async def health():
    return {}


@app.get("/call")
async def call(name: str, thread: bool = False):
    function = globals()[name]
    try:
        result = await asyncio.to_thread(function) if thread else function()
        return {"result": await result if inspect.isawaitable(result) else result}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def changes():
    numbers, table, names, item = [3, 1, 2], {"old": 1, "kept": 2}, {"a"}, stock.Item("i")
    tags, model, nested = item.tags, Model(), [{"deep": []}, [1]]
    deep = nested[0]["deep"]
    result = stock.change_all(numbers, table, names, item, model, nested)
    return {
        "numbers": numbers,
        "table": table,
        "names": sorted(names),
        "item": [item.name, item.tags],
        "model": [model.count, sorted(model.model_fields_set)],
        "nested": nested,
        "same": [item.tags is tags, nested[0]["deep"] is deep, deep[0] is nested[1], result is nested[0]],
    }


def changed_before_failure():
    numbers = []
    try:
        stock.change_and_fail(numbers)
    except ValueError as error:
        return [numbers, str(error)]


def changed_late():
    items = []
    for number in range(40):
        stock.change_late(number, items)
    return items


def swapped():
    first, second = {"name": "first"}, {"name": "second"}
    items = [first, second]
    stock.swap(items)
    return [items[0] is second, items[1] is first, first["name"]]


def shelves():
    shelf = stock.Shelf([], app.state.registry.parts["clock"])
    return {
        "pid": shelf.pid(),
        "fluent": shelf.put("a").put("b") is shelf,
        "items": [item.name for item in shelf.items],
        "puts": shelf.puts,
        "ticks": [shelf.ticks(), shelf.ticks()],
        "each": list(shelf.each()),
    }


def current():
    """An object of this request where another request, or another process, has its own, or none."""
    found = []
    for names in (["a"], ["a", "b"]):
        app.state.current = stock.Stand([stock.Item(name) for name in names], None)
        found.append([app.state.current.pid(), len(list(app.state.current.each()))])
    return found


def other_class():
    """The other process has an object of another class under this name."""
    app.state.registry, registry = stock.Booth([stock.Item("a")], None), app.state.registry
    try:
        return len(list(app.state.registry.each()))
    finally:
        app.state.registry = registry


def corner():
    return Corner([], None).report()


def clock():
    return app.state.registry.parts["clock"].tick()


def bound():
    """A bound method of an object with a name is as good as the object."""
    return stock.Shelf([], app.state.registry.parts["clock"].tick).pid()


def owned():
    shelf = stock.Shelf([], app.state.registry.parts["clock"])
    shelf.owner = "ada"
    shelf.owner = "bob"
    both = shelf.owner
    del shelf.owner
    return [both, shelf.owners]


def counted():
    return list(stock.count(250))


async def counted_async():
    return [item async for item in stock.count_async(250)]


def made():
    return [type(stock.made(3)).__name__, list(stock.made(3))]


def failing():
    seen = []
    try:
        for item in stock.fail_at(120):
            seen.append(item)
    except LookupError as error:
        return [len(seen), error.args[0]]


def locks():
    return len(list(stock.gives_locks(2)))


def abandoned():
    for n in range(1000):
        for _ in stock.count(1000 + n):
            break
    return stock.closed()


async def abandoned_async():
    items = stock.count_async(500)
    await anext(items)
    await items.aclose()
    return stock.closed()


def contexts():
    with stock.opened("one") as value:
        inside = stock.closed()[-1]
    with stock.opened("two"):
        raise KeyError("gone")
    return [value, inside, stock.closed()[-4:]]


def failing_context():
    with stock.opened("three"):
        raise ZeroDivisionError("here")


async def contexts_async():
    async with stock.opened_async("four") as value:
        inside = stock.closed()[-1]
    return [value, inside, stock.closed()[-1]]


def cart():
    cart = Cart()
    return [stock.fill(cart), cart.items, cart.note, cart.last, stock.give_back(cart) is cart]


def kept_cart():
    cart = Cart()
    KEPT.append(cart)
    stock.keep(cart)


def use_kept_cart():
    return stock.use_kept()
