# case: http2 over cleartext
import httpx
client = httpx.AsyncClient(http2=True, base_url="http://prices:8000")
#> SC501 app.py:2 app
# case: uvicorn with http2
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
# case: a client of a method over cleartext
import httpx
class Prices:
    def __init__(self):
        self.client = httpx.Client(http2=True, base_url="http://prices")
#> SC501 app.py:4 app.Prices.__init__
# case: not: HTTP/2 is not requested
import httpx
client = httpx.Client(base_url="http://prices:8000")
# case: a secure channel in a coroutine
import grpc
async def handler():
    channel = grpc.secure_channel("x", grpc.ssl_channel_credentials())
#> SC502 app.py:3 app.handler
# case: a synchronous call in a coroutine
import grpc
channel = grpc.insecure_channel("x")
get = channel.unary_unary("/prices.Prices/Get")
async def handler():
    return get(b"")
#> SC101 app.py:5 app.handler
#> SC502 app.py:5 app.handler
# case: not: a channel of a plain function
import grpc
def main():
    channel = grpc.insecure_channel("x")
# case: not: an awaited call
import grpc.aio
channel = grpc.aio.insecure_channel("x")
get = channel.unary_unary("/prices.Prices/Get")
async def handler():
    return await get(b"")
# case: a client of a function over cleartext
import httpx
def client():
    return httpx.AsyncClient(base_url="http://prices", http2=True)
#> SC501 app.py:3 app.client
# case: a channel of a method
import grpc
class Prices:
    async def connect(self):
        self.channel = grpc.insecure_channel("x")
#> SC502 app.py:4 app.Prices.connect
