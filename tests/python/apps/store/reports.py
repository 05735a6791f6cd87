"""Called at start-up with the app, and uses a class of another module."""

from store.shapes import Line


def init_app(app):
    app.state.reports = True


def text(item):
    return Line(item).shown()
