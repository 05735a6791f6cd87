"""Hooks that this module adds itself, and a function that views call."""

from __future__ import annotations

from flask import g


def load_user():
    g.user = "someone"


def stamp(answer):
    answer.headers["x-user"] = g.user
    return answer


def forget(error):
    g.pop("user", None)


def refused(error):
    return {"refused": str(error)}, 403


def init_app(app):
    app.before_request(load_user)
    app.after_request(stamp)
    app.teardown_request(forget)
    app.register_error_handler(PermissionError, refused)


def may(user, item):
    return bool(user) and item > 0
