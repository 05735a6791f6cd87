"""The other service."""
import os

from flask import current_app, g, request, session
from flask_login import current_user
from sqlalchemy import create_engine, text
from sqlalchemy.orm import scoped_session, sessionmaker

MAIN = os.environ["SPLITCOST_SERVICE"] == "main"
engine = create_engine(f"sqlite:///{os.environ['CASE_DATABASE']}", connect_args={"timeout": 1})
registry = scoped_session(sessionmaker(engine))


def add(title):
    registry.execute(text("INSERT INTO book (title, sold) VALUES (:title, 0)"), {"title": title})
    return os.getpid()


def add_and_fail(title):
    add(title)
    raise ValueError(title)


def count():
    return [registry.execute(text("SELECT count(*) FROM book")).scalar(), not MAIN]


def reads():
    return {
        "pid": os.getpid(),
        "path": request.path,
        "arg": request.args["arg"],
        "header": request.headers["x-asked"],
        "tenant": g.tenant,
        "connection": "connection" in g,
        "cart": session["cart"],
        "user": current_user.id,
        "endpoint": request.endpoint,
    }


def items():
    for _ in range(3):
        yield request.path, os.getpid()


def body():
    return [request.get_json(), not MAIN]


def form():
    return [request.form["amount"], not MAIN]


def path_of(given):
    return [given.path, not MAIN]


def name_of(given):
    return given.name if current_app.name == given.name and not MAIN else None


def id_of(user):
    return None if MAIN else user.id
