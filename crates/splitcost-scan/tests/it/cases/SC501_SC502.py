# case: http2 over cleartext
import httpx
client = httpx.AsyncClient(http2=True, base_url="http://prices:8000")
#> SC501 app.py:2 app
# case: uvicorn
import uvicorn
uvicorn.run("app:app", http="http2")
#> SC501 app.py:2 app
# case: a channel in a coroutine
import grpc
async def handler():
    channel = grpc.insecure_channel("x")
#> SC502 app.py:3 app.handler
# case: not: over https
import httpx
client = httpx.AsyncClient(http2=True, base_url="https://prices")
# case: not: prior knowledge
import httpx
client = httpx.Client(http1=False, http2=True, base_url="http://prices:8000")
# case: not: the awaited side
import grpc.aio
async def handler():
    channel = grpc.aio.insecure_channel("x")
