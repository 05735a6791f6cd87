# case: a diamond: the method order is Python's, not depth first
import requests
class Base:
    def load(self):
        return requests.get("u", timeout=1)
class Left(Base): ...
class Right(Base):
    def load(self):
        return None
class Both(Left, Right): ...
async def handler():
    Both().load()
async def other():
    Left().load()
#> SC101 app.py:13 app.other > app.Base.load > requests.get
# case: super in a diamond goes to the sibling
import requests
class Base:
    def load(self):
        return None
class Left(Base):
    def load(self):
        return super().load()
class Right(Base):
    def load(self):
        return requests.get("u", timeout=1)
class Both(Left, Right): ...
async def handler():
    Both().load()
#> SC101 app.py:13 app.handler > app.Left.load > app.Right.load > requests.get
# case: a property on a base
import requests
class Base:
    @property
    def user(self):
        return requests.get("u", timeout=1)
class Service(Base): ...
async def handler():
    return Service().user
#> SC101 app.py:8 app.handler > app.Base.user > requests.get
# case: a cached property that makes the session
import requests
from functools import cached_property
class Service:
    @cached_property
    def session(self):
        return requests.Session()
async def handler(service: Service):
    service.session.put("u", timeout=1)
#> SC101 app.py:8 app.handler
# case: an attribute of a class
import requests
class Service:
    session = requests.Session()
async def handler():
    Service.session.get("u", timeout=1)
    Service().session.get("u", timeout=1)
#> SC101 app.py:5 app.handler
#> SC101 app.py:6 app.handler
# case: an annotated attribute of a class
import requests
class Service:
    session: requests.Session
    async def load(self):
        self.session.get("u", timeout=1)
#> SC101 app.py:5 app.Service.load
# case: an abstract method's implementation
import requests
from abc import ABC, abstractmethod
class Users(ABC):
    @abstractmethod
    def load(self):
        raise NotImplementedError
class HttpUsers(Users):
    def load(self):
        return requests.get("u", timeout=1)
async def handler(users: Users):
    users.load()
#> SC101 app.py:11 app.handler > app.HttpUsers.load > requests.get
# case: a template method
import requests
class Job:
    def run(self):
        return self.step()
    def step(self): ...
class Fetch(Job):
    def step(self):
        return requests.get("u", timeout=1)
async def handler():
    Fetch().run()
#> SC101 app.py:10 app.handler > app.Job.run > app.Fetch.step > requests.get
# case: a decorator that wraps
import requests
from functools import wraps
def logged(function):
    @wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper
@logged
def load(user):
    return requests.get(user, timeout=1)
async def handler():
    load(1)
#> SC101 app.py:12 app.handler > app.logged.wrapper > app.load > requests.get
# case: a decorator with arguments
import requests
def retried(times):
    def decorate(function):
        def wrapper():
            return function()
        return wrapper
    return decorate
@retried(3)
def load():
    return requests.get("u", timeout=1)
async def handler():
    load()
#> SC101 app.py:12 app.handler > app.retried.decorate.wrapper > app.load > requests.get
# case: a decorator that is a class
import requests
class cached:
    def __init__(self, function):
        self.function = function
    def __call__(self):
        return self.function()
@cached
def load():
    return requests.get("u", timeout=1)
async def handler():
    load()
#> SC101 app.py:11 app.handler > app.cached.__call__ > app.load > requests.get
# case: a library's decorator keeps the function
import requests
from functools import lru_cache
@lru_cache(maxsize=1)
def load():
    return requests.get("u", timeout=1)
async def handler():
    load()
#> SC101 app.py:7 app.handler > app.load > requests.get
# case: entering a context
import requests
class Token:
    def __enter__(self):
        self.token = requests.get("u", timeout=1)
        return self
    def __exit__(self, *error): ...
async def handler():
    with Token():
        pass
#> SC101 app.py:8 app.handler > app.Token.__enter__ > requests.get
# case: leaving a context
import requests
class Report:
    def __enter__(self):
        return self
    def __exit__(self, *error):
        requests.post("u", timeout=1)
async def handler():
    with Report():
        pass
#> SC101 app.py:8 app.handler > app.Report.__exit__ > requests.post
# case: a context manager that is a generator
import requests
from contextlib import contextmanager
@contextmanager
def session():
    yield requests.Session()
async def handler():
    with session() as s:
        s.get("u", timeout=1)
#> SC101 app.py:8 app.handler
# case: what a generator yields
import requests
def sessions():
    yield requests.Session()
async def handler():
    for session in sessions():
        session.get("u", timeout=1)
#> SC101 app.py:6 app.handler
#> SC201 app.py:6 app.handler
# case: items of yield from
import requests
def inner():
    yield requests.Session()
def sessions():
    yield from inner()
async def handler():
    session = next(sessions())
    session.get("u", timeout=1)
#> SC101 app.py:8 app.handler
# case: an iterator of the program
import requests
class Pages:
    def __iter__(self):
        return self
    def __next__(self):
        return requests.get("u", timeout=1)
async def handler():
    for page in Pages():
        print(page)
#> SC101 app.py:8 app.handler > app.Pages.__next__ > requests.get
# case: raising an exception whose constructor calls a service
import requests
class Denied(Exception):
    def __init__(self):
        requests.post("u", timeout=1)
async def handler():
    raise Denied
#> SC101 app.py:6 app.handler > app.Denied.__init__ > requests.post
# case: a list of functions
import requests
def load():
    return requests.get("u", timeout=1)
steps = [load]
async def handler():
    for step in steps:
        step()
#> SC101 app.py:7 app.handler > app.load > requests.get
#> SC201 app.py:7 app.handler > app.load > requests.get
# case: a dictionary that is filled later
import requests
handlers = {}
def load():
    return requests.get("u", timeout=1)
handlers["load"] = load
async def handler(kind):
    handlers[kind]()
    handlers.get("load")()
#> SC101 app.py:7 app.handler > app.load > requests.get
#> SC101 app.py:8 app.handler > app.load > requests.get
# case: a dictionary updated from another
import requests
def load():
    return requests.get("u", timeout=1)
handlers = {}
handlers.update({"load": load})
async def handler():
    handlers["load"]()
#> SC101 app.py:7 app.handler > app.load > requests.get
# case: an element that was replaced
import requests
def load():
    return requests.get("u", timeout=1)
def nothing(): ...
async def handler():
    steps = {"a": load}
    steps["a"] = nothing
    steps["a"]()
# case: an element that is replaced in one branch only
import requests
def load():
    return requests.get("u", timeout=1)
def nothing(): ...
async def handler(quick):
    steps = {"a": load}
    if quick:
        steps["a"] = nothing
    steps["a"]()
#> SC101 app.py:9 app.handler > app.load > requests.get
# case: an element that a loop restores
import requests
def load():
    return requests.get("u", timeout=1)
def nothing(): ...
async def handler(again):
    steps = {"a": load}
    steps["a"] = nothing
    while again():
        steps["a"]()
        steps["a"] = load
#> SC101 app.py:9 app.handler > app.load > requests.get
# case: a slice of a list
import requests
def load():
    return requests.get("u", timeout=1)
def nothing(): ...
steps = [nothing, load]
async def handler():
    steps[1:][0]()
async def other():
    steps[:1][0]()
#> SC101 app.py:7 app.handler > app.load > requests.get
# case: the default of an argument that is left out
import requests
def load():
    return requests.get("u", timeout=1)
def nothing(): ...
def run(step=load):
    return step()
async def handler():
    run()
    run(nothing)
#> SC101 app.py:8 app.handler > app.run > app.load > requests.get
#> SC101 app.py:9 app.handler > app.run > app.load > requests.get
# case: not: the default of an argument that is always given
import requests
def load():
    return requests.get("u", timeout=1)
def nothing(): ...
def run(step=load):
    return step()
async def handler():
    run(nothing)
# case: partial of a method, called elsewhere
import requests
from functools import partial
class Users:
    def load(self, user):
        return requests.get(user, timeout=1)
def run(job):
    return job()
async def handler():
    run(partial(Users().load, 1))
#> SC101 app.py:9 app.handler > app.run > app.Users.load > requests.get
# case: a lambda
import requests
load = lambda user: requests.get(user, timeout=1)
async def handler():
    load(1)
#> SC101 app.py:4 app.handler > app.<lambda> > requests.get
# case: a lambda as the key of sorted
import requests
def price(item):
    return requests.get(item, timeout=1).json()
async def handler(items: list):
    return sorted(items, key=price)
#> SC101 app.py:5 app.handler > app.price > requests.get
# case: a function that a function returns
import requests
def loader(url):
    def load():
        return requests.get(url, timeout=1)
    return load
load = loader("u")
async def handler():
    load()
#> SC101 app.py:8 app.handler > app.loader.load > requests.get
# case: through a function that returns its parameter
import requests
def same(thing):
    return thing
async def handler():
    same(requests.Session()).get("u", timeout=1)
#> SC101 app.py:5 app.handler
# case: a factory with an annotation
import requests
def session() -> requests.Session: ...
async def handler():
    session().get("u", timeout=1)
#> SC101 app.py:4 app.handler
# case: an element's annotation
import httpx
async def handler(clients: list[httpx.Client]):
    for client in clients:
        client.get("u")
#> SC101 app.py:4 app.handler
#> SC201 app.py:4 app.handler
# case: a dictionary's annotation
import httpx
async def handler(clients: dict[str, httpx.Client], name: str):
    clients[name].get("u")
#> SC101 app.py:3 app.handler
# case: a dataclass's field
from dataclasses import dataclass
import httpx
@dataclass
class Service:
    client: httpx.Client
    def load(self):
        return self.client.get("u")
async def handler(service: Service):
    service.load()
#> SC101 app.py:9 app.handler > app.Service.load > httpx.Client.get
# case: the class of an object that is passed on
import requests
class Gateway:
    def call(self):
        return requests.get("u", timeout=1)
class Service:
    def __init__(self, gateway):
        self.gateway = gateway
    def load(self):
        return self.gateway.call()
async def handler():
    Service(Gateway()).load()
#> SC101 app.py:11 app.handler > app.Service.load > app.Gateway.call > requests.get
# case: Depends of a class
import requests
from fastapi import Depends
class Users:
    def load(self):
        return requests.get("u", timeout=1)
async def handler(users: Users = Depends()):
    users.load()
#> SC101 app.py:7 app.handler > app.Users.load > requests.get
# case: getattr with a name
import requests
class Users:
    def load(self):
        return requests.get("u", timeout=1)
async def handler():
    getattr(Users(), "load")()
#> SC101 app.py:6 app.handler > app.Users.load > requests.get
# case: an attribute of a module that another sets
import state
async def handler():
    state.session.get("u", timeout=1)
# file: state.py
session = None
# file: start.py
import requests
import state
state.session = requests.Session()
#> SC101 app.py:3 app.handler
# case: a namespace package
from company.client import load
async def handler():
    load()
# file: company/client.py
import requests
def load():
    return requests.get("u", timeout=1)
#> SC101 app.py:3 app.handler > client.load > requests.get
# case: the src layout
from shop.client import load
async def handler():
    load()
# file: src/shop/__init__.py
# file: src/shop/client.py
import requests
def load():
    return requests.get("u", timeout=1)
#> SC101 app.py:3 app.handler > shop.client.load > requests.get
# case: relative imports, two levels up
from shop.api.routes import handler
# file: shop/__init__.py
# file: shop/client.py
import requests
def load():
    return requests.get("u", timeout=1)
# file: shop/api/__init__.py
# file: shop/api/routes.py
from ..client import load
from .. import client
async def handler():
    load()
    client.load()
#> SC101 shop/api/routes.py:4 shop.api.routes.handler > shop.client.load > requests.get
#> SC101 shop/api/routes.py:5 shop.api.routes.handler > shop.client.load > requests.get
# case: the last star import wins
from slow import *
from quick import *
async def handler():
    load()
# file: slow.py
import requests
def load():
    return requests.get("u", timeout=1)
# file: quick.py
def load(): ...
# case: an import of a module by its whole path
import shop.client
async def handler():
    shop.client.load()
# file: shop/__init__.py
# file: shop/client.py
import requests
def load():
    return requests.get("u", timeout=1)
#> SC101 app.py:3 app.handler > shop.client.load > requests.get
# case: an import inside a function
async def handler():
    from client import load
    load()
# file: client.py
import requests
def load():
    return requests.get("u", timeout=1)
#> SC101 app.py:3 app.handler > client.load > requests.get
# case: one of two imports
try:
    import httpx as http
except ImportError:
    import requests as http
async def handler():
    http.get("u", timeout=1)
#> SC101 app.py:6 app.handler
# case: modules that import each other
from a import load
async def handler():
    load()
# file: a.py
import b
def load():
    return b.fetch()
# file: b.py
import requests
import a
def fetch():
    return requests.get("u", timeout=1)
#> SC101 app.py:3 app.handler > a.load > b.fetch > requests.get
# case: recursion ends
import requests
def walk(node):
    if node:
        return walk(node.next)
    return requests.get("u", timeout=1)
async def handler(node):
    walk(node)
#> SC101 app.py:7 app.handler > app.walk > requests.get
# case: a global that a function sets
import requests
session = None
def start():
    global session
    session = requests.Session()
async def handler():
    session.get("u", timeout=1)
#> SC101 app.py:7 app.handler
# case: an assignment in an expression
import requests
async def handler():
    if (session := requests.Session()):
        session.get("u", timeout=1)
#> SC101 app.py:4 app.handler
# case: one of two by a condition
import requests
def load():
    return requests.get("u", timeout=1)
def nothing(): ...
async def handler(quick):
    (nothing if quick else load)()
#> SC101 app.py:6 app.handler > app.load > requests.get
# case: arguments in a tuple and a dictionary
import requests
def load(session, url):
    return session.get(url, timeout=1)
async def handler():
    args = (requests.Session(),)
    load(*args, **{"url": "u"})
#> SC101 app.py:6 app.handler > app.load > requests.Session.get
# case: not: a name that was bound to something else before
import requests
def load():
    return requests.get("u", timeout=1)
def nothing(): ...
step = load
step = nothing
async def handler():
    step_now = load
    step_now = nothing
    step_now()
# case: not: a parameter of the same name as a function
import requests
def load():
    return requests.get("u", timeout=1)
async def handler(load):
    load()
# case: not: a nested function that is not called
import requests
async def handler():
    def load():
        return requests.get("u", timeout=1)
    return load
# case: not: a method of another class of the same name
import requests
class Remote:
    def load(self):
        return requests.get("u", timeout=1)
class Local:
    def load(self): ...
async def handler():
    Local().load()
# case: not: a method that a subclass overrides
import requests
class Base:
    def load(self):
        return requests.get("u", timeout=1)
class Local(Base):
    def load(self): ...
async def handler():
    Local().load()
# case: not: a text's and a list's own methods
async def handler(words: list):
    found = []
    found.append("a".join(words).strip())
    return found.pop().get("x")
# case: a decorator that registers each function and hands it back
import requests
registry = []
def register(function):
    registry.append(function)
    return function
@register
def slow():
    return requests.get("u", timeout=1)
@register
def quick(): ...
async def handler():
    quick()
async def other():
    slow()
#> SC101 app.py:14 app.other > app.slow > requests.get
# case: calls in a chain, each of which hands the object back
import requests
class Query:
    def where(self, text):
        return self
    def run(self):
        return None
class Remote(Query):
    def run(self):
        return requests.get("u", timeout=1)
async def handler():
    Query().where("a").where("b").run()
    Remote().where("a").where("b").run()
#> SC101 app.py:12 app.handler > app.Remote.run > requests.get
# case: a parameter that is returned, sometimes changed
import requests
def made(session=None):
    if session is None:
        session = requests.Session()
    return session
async def handler():
    made().get("u", timeout=1)
#> SC101 app.py:7 app.handler
# case: a default that is handed back
import requests
shared = requests.Session()
def chosen(session=shared):
    return session
async def handler():
    chosen().get("u", timeout=1)
#> SC101 app.py:6 app.handler

# case: an object with both context protocols is entered by the one that is used
import requests


class Client:
    def __enter__(self):
        return self

    def __exit__(self, *args):
        requests.post("http://x/close", timeout=1)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *args):
        pass


async def asynchronously():
    async with Client():
        pass


async def synchronously():
    with Client():
        pass


#> SC101 app.py:24 app.synchronously > app.Client.__exit__ > requests.post

# case: a method that takes one tuple has its object first in it
import requests


class Job:
    def run(*everything):
        everything[0].fetch()
        everything[1].fetch()

    def fetch(self):
        requests.get("http://x/job", timeout=1)


class Other:
    def fetch(self):
        requests.get("http://x/other", timeout=1)


async def handler():
    Job().run(Other())


#> SC101 app.py:19 app.handler > app.Job.run > app.Job.fetch > requests.get
