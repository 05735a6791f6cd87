"""Calls them."""

from decorated import back


def call(name, *args):
    function = back
    for part in name.split("."):
        function = getattr(function, part)
    return function(*args)


async def wait(name, *args):
    return await getattr(back, name)(*args)


def shelf(name, *args):
    found = getattr(back.Shelf(), name)
    return list(found(*args)) if name == "items" else found(*args) if callable(found) else found


def fresh():
    return back.fresh()(1)
