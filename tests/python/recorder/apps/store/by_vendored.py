from store import middleware, pricing
from store.vendored.bottle import Bottle

bottle = Bottle()
bottle.add_hook("before_request", pricing.log)


@bottle.get("/items/:item#[0-9]+#")
@middleware.checked
def item(item):
    return {"price": pricing.price(int(item))}


app = middleware.Wsgi(bottle)
