"""An app of Flask whose checks call functions that find the request by themselves."""
import os
import sqlite3

from flask import Flask, current_app, g, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user

from sqlalchemy import text

from app import vault

app = Flask(__name__)
app.secret_key = "of the test"
login = LoginManager(app)


class User(UserMixin):
    def __init__(self, id):
        self.id = id


@login.user_loader
def load(id):
    return User(id)


@app.get("/health")
def health():
    return {"answer": "up"}


@app.get("/reads")
def reads():
    g.tenant = "acme"
    g.connection = sqlite3.connect(":memory:")
    session["cart"] = [1, 2]
    login_user(User("7"))
    found = vault.reads()
    assert found.pop("pid") != os.getpid(), "it ran here"
    assert found == {
        "path": "/reads",
        "arg": "1",
        "header": "yes",
        "tenant": "acme",
        "connection": False,
        "cart": [1, 2],
        "user": "7",
        "endpoint": "reads",
    }, found
    return {}


@app.get("/items")
def items():
    found = [item for item, pid in vault.items() if pid != os.getpid()]
    assert found == ["/items"] * 3, found
    return {}


@app.post("/body")
def body():
    assert request.get_json() == {"amount": 3}
    assert vault.body() == [{"amount": 3}, True], vault.body()
    return {}


@app.post("/form")
def form():
    assert request.form["amount"] == "3"
    assert vault.form() == ["3", True], vault.form()
    return {}


@app.teardown_appcontext
def remove(_error):
    vault.registry.remove()


@app.get("/session")
def own_session():
    """The session of an app of Flask's is removed at the end of its context; changes are committed before."""
    registry = vault.registry
    registry.execute(text("DELETE FROM book"))
    registry.commit()
    assert vault.add("flask") != os.getpid()
    assert vault.count() == [1, True]
    try:
        vault.add_and_fail("failed")
    except ValueError:
        pass
    assert vault.count() == [1, True]
    registry.execute(text("INSERT INTO book (title, sold) VALUES ('uncommitted', 0)"))
    assert vault.count() == [2, False]
    return {}


@app.get("/proxies")
def proxies():
    login_user(User("7"))
    assert vault.path_of(request) == ["/proxies", True]
    assert vault.path_of(request._get_current_object()) == ["/proxies", True]
    assert vault.name_of(current_app) == "app.web"
    assert vault.id_of(current_user) == "7"
    return {}
