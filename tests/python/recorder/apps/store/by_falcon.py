import falcon

from store import middleware, pricing


class Items:
    def on_get(self, request, response, item):
        response.media = {"price": pricing.price(item)}


class Log:
    def process_request(self, request, response):
        pricing.log()


falcon_app = falcon.App(middleware=[Log()])
falcon_app.add_route("/items/{item:int}", Items())
app = middleware.Wsgi(falcon_app)
