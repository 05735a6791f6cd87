# case: to_thread
import asyncio, requests
async def handler():
    await asyncio.to_thread(requests.get, "u", timeout=1)
#> SC104 app.py:3 app.handler
# case: a helper in an executor
import asyncio, requests
def load():
    return requests.get("u", timeout=1)
async def handler():
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, load)
#> SC104 app.py:6 app.handler > app.load > requests.get
# case: not: a computation in a thread
import asyncio
def work():
    return sum(range(9))
async def handler():
    await asyncio.to_thread(work)
# case: a client in a thread pool
import httpx
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor()
async def handler():
    pool.submit(httpx.get, "u")
#> SC104 app.py:5 app.handler
# case: anyio, through a method
import anyio.to_thread, requests
class Users:
    def load(self):
        return requests.get("u", timeout=1)
async def handler():
    await anyio.to_thread.run_sync(Users().load)
#> SC104 app.py:6 app.handler > app.Users.load > requests.get
# case: a lambda in a thread
import asyncio, requests
async def handler():
    await asyncio.to_thread(lambda: requests.get("u", timeout=1))
#> SC104 app.py:3 app.handler > app.handler.<lambda> > requests.get
# case: a partial in the framework's pool
from functools import partial
import requests
from fastapi.concurrency import run_in_threadpool
async def handler():
    await run_in_threadpool(partial(requests.get, "u", timeout=1))
#> SC104 app.py:5 app.handler
# case: not: from a plain function
import requests
from concurrent.futures import ThreadPoolExecutor
def handler():
    with ThreadPoolExecutor() as pool:
        pool.submit(requests.get, "u", timeout=1)
