"""No framework at all, inside a middleware."""

from store import middleware, pricing


async def answer(scope, receive, send):
    if scope["type"] == "http":
        price = pricing.price(1)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(price).encode()})


app = middleware.Asgi(answer)
