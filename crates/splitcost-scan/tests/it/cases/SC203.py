# case: two that are independent
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
