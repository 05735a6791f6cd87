from flask import Flask
from flask.views import MethodView

from store import flask_settings, middleware, pricing

app = Flask(__name__)
app.before_request(lambda: pricing.log())
app.teardown_request(pricing.log)


@app.get("/items/<int:item>")
@middleware.checked
def item(item):
    return {"price": pricing.price(item)}


@app.get("/rates/<int:item>")
def rated(item):
    return {"price": flask_settings.rate(item)}


class Items(MethodView):
    def get(self, item):
        return {"price": pricing.price(item)}


app.add_url_rule("/class/<item>", view_func=Items.as_view("items"))
app.wsgi_app = middleware.Wsgi(app.wsgi_app)
