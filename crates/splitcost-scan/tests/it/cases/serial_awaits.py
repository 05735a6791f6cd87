# case: two independent calls
import httpx
async def both(client: httpx.AsyncClient):
    a = await client.get("a")
    b = await client.get("b")
    return a, b
#> SC203 app.py:3 app.both
# case: not: the second needs the first
import httpx
async def both(client: httpx.AsyncClient):
    a = await client.get("a")
    b = await client.get(a.text)
    return b
# case: not: in two branches
import httpx
async def either(client: httpx.AsyncClient, which):
    if which:
        a = await client.get("a")
    else:
        a = await client.get("b")
    return a
# case: not: the second writes
import httpx
async def both(client: httpx.AsyncClient):
    a = await client.get("a")
    b = await client.post("b")
    return a, b
# case: two of a service of the program
import httpx
class Users:
    def __init__(self, client: httpx.AsyncClient):
        self.client = client
    async def get(self, id):
        return await self.client.get(id)
async def both(users: Users):
    a = await users.get(1)
    b = await users.get(2)
    return a, b
#> SC203 app.py:8 app.both
# case: three, reported once
import httpx
async def all(client: httpx.AsyncClient):
    a = await client.get("a")
    b = await client.get("b")
    c = await client.get("c")
    return a, b, c
#> SC203 app.py:3 app.all
# case: aiohttp
import aiohttp
async def both(session: aiohttp.ClientSession):
    a = await session.get("a")
    b = await session.get("b")
    return a, b
#> SC203 app.py:3 app.both
# case: not: calls that run together already
import asyncio, httpx
async def both(client: httpx.AsyncClient):
    return await asyncio.gather(client.get("a"), client.get("b"))
# case: not: one of them is local
import asyncio, httpx
async def both(client: httpx.AsyncClient):
    a = await client.get("a")
    await asyncio.sleep(0)
    return a
# case: through helpers whose names say that they read
import httpx
async def get_user(client: httpx.AsyncClient):
    return await client.get("user")
async def get_stock(client: httpx.AsyncClient):
    return await client.get("stock")
async def both(client: httpx.AsyncClient):
    user = await get_user(client)
    stock = await get_stock(client)
    return user, stock
#> SC203 app.py:7 app.both
# case: not: helpers that check, and that refresh
import httpx
async def enforce(client: httpx.AsyncClient):
    (await client.get("rights")).raise_for_status()
async def refresh(client: httpx.AsyncClient):
    await client.get("refresh")
async def both(client: httpx.AsyncClient):
    await enforce(client)
    await refresh(client)
