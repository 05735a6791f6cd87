"""The routes."""

import json
import threading

from small import prices, stock

LOCK = threading.Lock()


class App:
    """The ASGI app."""

    async def __call__(self, scope, receive, send):
        """Answer a request."""
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        path = scope["path"]
        if path == "/health":
            await answer(send, 200, {"ok": True})
        elif path.startswith("/items/"):
            item = int(path.removeprefix("/items/"))
            price = await prices.quote(item, 3)
            await answer(send, 200, {"price": str(price), "left": stock.left(item, LOCK)})
        else:
            await answer(send, 404, {"detail": "no such page"})


async def answer(send, status, document):
    """Send a JSON document."""
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app = App()
