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
