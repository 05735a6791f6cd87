# case: a direct call
import requests
async def handler():
    requests.get("u", timeout=1)
#> SC101 app.py:3 app.handler
# case: an import under another name
import requests as r
async def handler():
    r.post("u", timeout=1)
#> SC101 app.py:3 app.handler
# case: a function imported from a module
from requests import get as fetch
async def handler():
    fetch("u", timeout=1)
#> SC101 app.py:3 app.handler
# case: through one helper
import requests
def helper():
    return requests.get("u", timeout=1)
async def handler():
    helper()
#> SC101 app.py:5 app.handler > app.helper > requests.get
# case: through three helpers in two files
from pkg.service import load
async def handler():
    load()
# file: pkg/__init__.py
# file: pkg/service.py
from .client import call
def load():
    return call()
# file: pkg/client.py
import requests
def call():
    return inner()
def inner():
    return requests.get("u", timeout=1)
#> SC101 app.py:3 app.handler > pkg.service.load > pkg.client.call > pkg.client.inner > requests.get
# case: a session in an attribute
import requests
class Service:
    def __init__(self):
        self.session = requests.Session()
    def load(self):
        return self.session.get("u", timeout=1)
async def handler():
    Service().load()
#> SC101 app.py:8 app.handler > app.Service.load > requests.Session.get
# case: a service object, a base class, a property
import requests
class Base:
    def __init__(self):
        self._session = requests.Session()
    @property
    def session(self):
        return self._session
    def fetch(self, url):
        return self.session.post(url, timeout=1)
class Service(Base):
    def load(self):
        return self.fetch("u")
service = Service()
async def handler():
    service.load()
#> SC101 app.py:15 app.handler > app.Service.load > app.Base.fetch > requests.Session.post
# case: a parameter's annotation
import httpx
async def handler(client: httpx.Client):
    client.get("u")
#> SC101 app.py:3 app.handler
# case: an optional annotation in a string
from __future__ import annotations
from typing import Optional
import httpx
async def handler(client: "Optional[httpx.Client]"):
    client.get("u")
#> SC101 app.py:5 app.handler
# case: Depends of a function
import requests
from fastapi import Depends, FastAPI
app = FastAPI()
class Users:
    def load(self):
        return requests.get("u", timeout=1)
def users():
    return Users()
@app.get("/")
async def handler(users=Depends(users)):
    return users.load()
#> SC101 app.py:11 app.handler > app.Users.load > requests.get
# case: Annotated Depends
import requests
from typing import Annotated
from fastapi import Depends, FastAPI
app = FastAPI()
class Users:
    def load(self):
        return requests.get("u", timeout=1)
def get_users():
    yield Users()
@app.get("/")
async def handler(users: Annotated[Users, Depends(get_users)]):
    return users.load()
#> SC101 app.py:12 app.handler > app.Users.load > requests.get
# case: a class method and a static method
import requests
class Api:
    @classmethod
    def one(cls):
        return cls.two()
    @staticmethod
    def two():
        return requests.get("u", timeout=1)
async def handler():
    Api.one()
#> SC101 app.py:10 app.handler > app.Api.one > app.Api.two > requests.get
# case: super of a method
import requests
class Base:
    def load(self):
        return requests.get("u", timeout=1)
class Service(Base):
    def load(self):
        return super().load()
async def handler():
    Service().load()
#> SC101 app.py:9 app.handler > app.Service.load > app.Base.load > requests.get
# case: a protocol's implementation
import requests
from typing import Protocol
class Users(Protocol):
    def load(self): ...
class HttpUsers(Users):
    def load(self):
        return requests.get("u", timeout=1)
async def handler(users: Users):
    users.load()
#> SC101 app.py:9 app.handler > app.HttpUsers.load > requests.get
# case: a decorator of the program
import requests
def logged(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper
@logged
def load():
    return requests.get("u", timeout=1)
async def handler():
    load()
#> SC101 app.py:10 app.handler > app.logged.wrapper > app.load > requests.get
# case: a partial function
import requests
from functools import partial
def load(user):
    return requests.get(user, timeout=1)
async def handler():
    bound = partial(load, 1)
    bound()
#> SC101 app.py:7 app.handler > app.load > requests.get
# case: a function in a dictionary
import requests
def load():
    return requests.get("u", timeout=1)
table = {"load": load}
async def handler():
    table["load"]()
#> SC101 app.py:6 app.handler > app.load > requests.get
# case: a function passed as an argument
import requests
def load():
    return requests.get("u", timeout=1)
def run(function):
    return function()
async def handler():
    run(load)
#> SC101 app.py:7 app.handler > app.run > app.load > requests.get
# case: a nested function
import requests
async def handler():
    def load():
        return requests.get("u", timeout=1)
    load()
#> SC101 app.py:5 app.handler > app.handler.load > requests.get
# case: a re-export
from pkg import load
async def handler():
    load()
# file: pkg/__init__.py
from pkg.client import *
# file: pkg/client.py
import requests
def load():
    return requests.get("u", timeout=1)
#> SC101 app.py:3 app.handler > pkg.client.load > requests.get
# case: an sdk
import boto3
s3 = boto3.client("s3")
async def handler():
    s3.put_object(Bucket="b")
#> SC101 app.py:4 app.handler
# case: a subclass of a session
import requests
class Api(requests.Session):
    pass
async def handler():
    Api().get("u", timeout=1)
#> SC101 app.py:5 app.handler
# case: a context manager of a client
import httpx
async def handler():
    with httpx.Client() as client:
        client.get("u")
#> SC101 app.py:4 app.handler
# case: urlopen
from urllib.request import urlopen
async def handler():
    urlopen("u", timeout=1)
#> SC101 app.py:3 app.handler
# case: the nearest coroutine is reported
import requests
async def inner():
    requests.get("u", timeout=1)
async def outer():
    await inner()
#> SC101 app.py:3 app.inner
# case: a session of SQLAlchemy
from sqlalchemy.orm import Session
async def handler(session: Session):
    session.execute("select 1")
#> SC102 app.py:3 app.handler
# case: a query chain
from sqlalchemy.orm import Session
class Item: ...
async def handler(session: Session):
    return session.query(Item).filter(1).all()
#> SC102 app.py:4 app.handler
# case: a sessionmaker
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker
engine = create_engine("sqlite://")
SessionLocal = sessionmaker(bind=engine)
def get_db():
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()
from fastapi import Depends
async def handler(db=Depends(get_db)):
    db.commit()
#> SC102 app.py:13 app.handler
# case: SQLModel
from sqlmodel import Session, select
async def handler(session: Session):
    return session.exec(select(1))
#> SC102 app.py:3 app.handler
# case: redis, kept in a module
import redis
cache = redis.Redis()
async def handler():
    return cache.get("k")
#> SC102 app.py:4 app.handler
# case: a cursor
import psycopg2
def rows():
    connection = psycopg2.connect("d")
    cursor = connection.cursor()
    cursor.execute("select 1")
    return cursor
async def handler():
    return rows()
#> SC102 app.py:8 app.handler > app.rows > psycopg2.connect
# case: time.sleep
import time
async def handler():
    time.sleep(1)
#> SC103 app.py:3 app.handler
# case: a subprocess in a helper
import subprocess
def convert():
    subprocess.run(["convert"])
async def handler():
    convert()
#> SC103 app.py:5 app.handler > app.convert > subprocess.run
# case: a future's result
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor()
def work(): ...
async def handler():
    return pool.submit(work).result()
#> SC103 app.py:5 app.handler
# case: a lock in an attribute
import threading
class Counter:
    def __init__(self):
        self.lock = threading.Lock()
    async def add(self):
        self.lock.acquire()
#> SC103 app.py:6 app.Counter.add
# case: not: a plain route runs in a thread
import requests
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def handler():
    return requests.get("u", timeout=1)
# case: in a thread: to_thread
import asyncio, requests
async def handler():
    await asyncio.to_thread(requests.get, "u", timeout=1)
#> SC104 app.py:3 app.handler
# case: in a thread: a lambda given to to_thread
import asyncio, requests
async def handler():
    await asyncio.to_thread(lambda: requests.get("u", timeout=1))
#> SC104 app.py:3 app.handler > app.handler.<lambda> > requests.get
# case: in a thread: run_in_executor
import asyncio, requests
def load():
    return requests.get("u", timeout=1)
async def handler():
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, load)
#> SC104 app.py:6 app.handler > app.load > requests.get
# case: in a thread: anyio
import anyio.to_thread, requests
def load():
    return requests.get("u", timeout=1)
async def handler():
    await anyio.to_thread.run_sync(load)
#> SC104 app.py:5 app.handler > app.load > requests.get
# case: in a thread: run_in_threadpool
from starlette.concurrency import run_in_threadpool
import requests
async def handler():
    await run_in_threadpool(requests.get, "u", timeout=1)
#> SC104 app.py:4 app.handler
# case: not: the target of a new thread
import threading, requests
def load():
    requests.get("u", timeout=1)
async def handler():
    threading.Thread(target=load).start()
# case: in a thread: a function of the program that calls to_thread
import asyncio, requests
async def in_thread(function, *args):
    return await asyncio.to_thread(function, *args)
def load():
    return requests.get("u", timeout=1)
async def handler():
    await in_thread(load)
#> SC104 app.py:3 app.in_thread > app.load > requests.get
# case: not: a plain dependency runs in a thread
import requests
from fastapi import Depends
def user():
    return requests.get("u", timeout=1).json()
async def handler(user=Depends(user)):
    return user
# case: not: get of a dictionary
async def handler(request):
    headers = {"a": 1}
    return headers.get("a"), request.headers.get("b")
# case: not: a method of the same name
class Session:
    def get(self, url):
        return url
async def handler():
    return Session().get("u")
# case: not: an asynchronous client
import httpx
async def handler(client: httpx.AsyncClient):
    return await client.get("u")
# case: not: asyncio.sleep
import asyncio
async def handler():
    await asyncio.sleep(1)
# case: not: an asyncio lock
import asyncio
lock = asyncio.Lock()
async def handler():
    await lock.acquire()
# case: not: foo("x").get
def foo(name):
    return {}
async def handler():
    return foo("x").get("y")
# case: not: nobody calls the helper
import requests
def helper():
    return requests.get("u", timeout=1)
async def handler():
    return helper
# case: not: a local name hides the library
async def handler(requests):
    return requests.get("u")
# case: a vendor's client, by the chain of its resources
from openai import OpenAI
client = OpenAI()
async def handler():
    return client.chat.completions.create(model="m", messages=[]).choices[0].model_dump()
#> SC101 app.py:4 app.handler
# case: a vendor's client with other options
from openai import OpenAI
client = OpenAI()
async def handler():
    return client.with_options(timeout=5).models.list()
#> SC101 app.py:4 app.handler
# case: a bucket that a storage client gives
from google.cloud import storage
def save(name, data):
    bucket = storage.Client().bucket("b")
    bucket.blob(name).upload_from_string(data)
async def handler():
    save("a", "b")
#> SC101 app.py:6 app.handler > app.save > google.cloud.storage.Client.bucket.blob.upload_from_string
# case: Django's manager of a model
from django.db import models
class User(models.Model): ...
async def handler():
    return User.objects.filter(name="a").first()
#> SC102 app.py:4 app.handler
# case: a collection of a database of a client
from pymongo import MongoClient
client = MongoClient()
users = client["app"]["users"]
async def handler():
    return users.find_one({"name": "a"}).get("name")
#> SC102 app.py:5 app.handler
# case: not: preparing a pipeline of redis or a database of mongo
import redis
from pymongo import MongoClient
cache = redis.Redis()
mongo = MongoClient()
async def handler():
    cache.pipeline()
    return mongo.get_database("app")
# case: not: Django's lazy query
from django.db import models
class User(models.Model): ...
async def handler():
    return User.objects.filter(name="a")
# case: not: a URL that is signed locally
import boto3
s3 = boto3.client("s3")
async def handler():
    return s3.generate_presigned_url("get_object")
# case: not: an asynchronous vendor's client
from openai import AsyncOpenAI
client = AsyncOpenAI()
async def handler():
    request = client.models.list()
    return await request
# case: not: a queue without a bound never waits
import queue
jobs = queue.Queue()
async def handler():
    jobs.put(1)
# case: not: the awaited side of a client that has two
import httpx
class Sync:
    def load(self):
        return httpx.get("u")
class Async:
    async def load(self):
        return 1
def client(sync):
    return Sync() if sync else Async()
async def handler():
    return await client(False).load()
# case: not: another function under the same decorator
import requests
def logged(function):
    def wrapper(*args):
        return function(*args)
    return wrapper
@logged
def load():
    return requests.get("u", timeout=1)
@logged
def double(x):
    return 2 * x
async def handler():
    return double(2)
# case: the one of several functions under a decorator
import requests
def logged(function):
    def wrapper(*args):
        return function(*args)
    return wrapper
@logged
def load():
    return requests.get("u", timeout=1)
@logged
def double(x):
    return 2 * x
async def handler():
    return load()
#> SC101 app.py:13 app.handler > app.load > requests.get
# case: not: another function that a decorator marked
import requests
def marked(function):
    function.is_marked = True
    return function
@marked
def load():
    return requests.get("u", timeout=1)
@marked
def double(x):
    return 2 * x
async def handler():
    return double(2)
# case: a function that a decorator marked
import requests
def marked(function):
    function.is_marked = True
    return function
@marked
def double(x):
    return 2 * x
@marked
def load():
    return requests.get("u", timeout=1)
async def handler():
    return load()
#> SC101 app.py:12 app.handler > app.load > requests.get
# case: not: a dispatcher that may call any function
import requests
listeners = []
def one(): ...
def two(): ...
def three(): ...
def four(): ...
def five():
    requests.get("u", timeout=1)
for listener in [one, two, three, four, five]:
    listeners.append(listener)
async def fire():
    for listener in listeners:
        listener()
# case: not: a method that a test replaces
import requests
class Api:
    def load(self):
        return 1
def mocked(self):
    return requests.get("u", timeout=1)
def mock():
    Api.load = mocked
async def handler(api: Api):
    return api.load()
# case: not: asked not to wait
import queue, threading
lock = threading.Lock()
jobs = queue.Queue()
async def handler():
    if lock.acquire(blocking=False) and lock.acquire(False):
        return jobs.get(block=False)
# case: not: a future of the event loop, waited for in another thread
import asyncio
def from_thread(loop, work):
    return asyncio.run_coroutine_threadsafe(work, loop).result()
async def handler(loop, work):
    return from_thread(loop, work)
# case: waiting for a submitted job
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor()
async def handler(work):
    return pool.submit(work).result()
#> SC103 app.py:4 app.handler
# case: three findings at most for one call, with the shortest call paths
import requests
def load():
    return requests.get("u", timeout=1)
def around():
    return load()
async def far():
    return around()
async def one():
    return load()
async def two():
    return load()
async def three():
    return load()
#> SC101 app.py:9 app.one > app.load > requests.get
#> SC101 app.py:11 app.two > app.load > requests.get
#> SC101 app.py:13 app.three > app.load > requests.get
# case: Depends in an annotation that has a name
from typing import Annotated
from fastapi import Depends
from sqlalchemy.orm import Session, sessionmaker
maker = sessionmaker()
def get_session():
    with maker() as session:
        yield session
SessionDep = Annotated[Session, Depends(get_session)]
async def handler(session: SessionDep):
    session.commit()
#> SC102 app.py:10 app.handler
# case: contextlib.closing and an exit stack
import sqlite3
from contextlib import ExitStack, closing
async def handler():
    with closing(sqlite3.connect("file")) as one, ExitStack() as stack:
        two = stack.enter_context(sqlite3.connect("file"))
        one.execute("select 1")
        two.execute("select 1")
#> SC102 app.py:4 app.handler
#> SC102 app.py:5 app.handler
#> SC102 app.py:6 app.handler
#> SC102 app.py:7 app.handler
