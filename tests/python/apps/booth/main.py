"""The views."""

from flask import Flask, g
from starlette.middleware.wsgi import WSGIMiddleware

from booth import auth

flask_app = Flask(__name__)
auth.init_app(flask_app)


@flask_app.get("/ready")
def ready():
    return "ready"


@flask_app.get("/items/<int:item>")
def item(item):
    return {"may": auth.may(g.user, item)}


@flask_app.get("/secrets/<int:item>")
def secret(item):
    raise PermissionError(item)


app = WSGIMiddleware(flask_app)
