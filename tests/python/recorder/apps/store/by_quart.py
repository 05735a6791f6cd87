from quart import Quart

from store import middleware, pricing

app = Quart(__name__)


@app.before_request
async def log():
    pricing.log()


@app.get("/items/<int:item>")
async def item(item):
    return {"price": pricing.price(item)}


app.asgi_app = middleware.Asgi(app.asgi_app)
