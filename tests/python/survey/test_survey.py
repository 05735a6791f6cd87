"""The survey of an app's source for ``splitcost init``: each framework in a project of its own."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from splitcost.survey.apps import django_parts, find_apps, find_celery
from splitcost.survey.routes import find_routes
from splitcost.survey.source import Source


def survey(root: Path, files: dict[str, str]) -> tuple[str, dict[str, Any], Source]:
    """Write files, and return the best app with its routes."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    source = Source.read(root)
    apps = find_apps(source)
    shown = f"{apps[0].framework} {apps[0].module}:{apps[0].name}" if apps else ""
    routes = find_routes(source, apps[0].framework if apps else "")
    return shown, {f"{route.method} {route.path}": route for route in routes}, source


def test_flask_blueprints_take_the_given_prefix(tmp_path: Path) -> None:
    """A factory, a blueprint whose prefix is replaced, and one that keeps its own."""
    app, routes, _ = survey(
        tmp_path,
        {
            "library/__init__.py": """
                import flask

                def create_app(config=None):
                    app = flask.Flask(__name__)
                    from library.books import views
                    from library.loans import bp as loans
                    app.register_blueprint(views.bp, url_prefix="/books")
                    app.register_blueprint(loans)
                    return app
            """,
            "library/books/__init__.py": "",
            "library/books/views.py": """
                from flask import Blueprint

                bp = Blueprint("books", __name__, url_prefix="/old")

                @bp.route("/<int:book_id>", methods=["GET", "PUT"])
                def book(book_id): ...
            """,
            "library/loans.py": """
                from flask import Blueprint

                bp = Blueprint("loans", __name__, url_prefix="/loans")

                @bp.get("/<path:rest>")
                def rest(rest): ...
            """,
        },
    )
    assert app == "flask library:create_app"
    assert set(routes) == {"GET /books/{book_id}", "PUT /books/{book_id}", "GET /loans/{rest}"}
    assert routes["GET /books/{book_id}"].params == {"book_id": "int"}
    assert routes["GET /loans/{rest}"].params == {"rest": "str"}


def test_fastapi_routers_are_nested(tmp_path: Path) -> None:
    """Prefixes of routers within routers, types of the signature, and an example of the body."""
    app, routes, source = survey(
        tmp_path,
        {
            "src/shop/__init__.py": "",
            "src/shop/main.py": """
                from fastapi import FastAPI
                from celery import Celery
                from .api import router

                jobs = Celery("jobs")
                app: FastAPI = FastAPI()
                app.include_router(router, prefix="/v1")
            """,
            "src/shop/api.py": """
                from fastapi import APIRouter, Depends
                from shop import orders

                router = APIRouter(prefix="/api")
                router.include_router(orders.router)
            """,
            "src/shop/orders.py": """
                from decimal import Decimal
                from fastapi import APIRouter, Depends
                from pydantic import BaseModel

                router = APIRouter(prefix="/orders")

                class Item(BaseModel):
                    name: str
                    note: str = ""

                class Order(BaseModel):
                    price: Decimal
                    items: list[Item]

                class Session:
                    name: str

                @router.post("")
                async def create(order: Order, session: Session = Depends(Session)): ...

                @router.get("/{order_id}")
                async def show(order_id: int): ...
            """,
        },
    )
    assert app == "fastapi shop.main:app"
    assert set(routes) == {"POST /v1/api/orders", "GET /v1/api/orders/{order_id}"}
    assert routes["POST /v1/api/orders"].body == {"price": "1.00", "items": [{"name": "text"}]}
    assert routes["GET /v1/api/orders/{order_id}"].params == {"order_id": "int"}
    assert find_celery(source) == ["shop.main:jobs"]
    assert source.modules["shop.main"].directory == "src"


def test_django_urls_are_followed(tmp_path: Path) -> None:
    """Included configurations, a router of Django REST framework, and no pages of the admin."""
    app, routes, source = survey(
        tmp_path,
        {
            "site_/__init__.py": "",
            "site_/settings.py": """
                ROOT_URLCONF = "site_.urls"
                INSTALLED_APPS = ["django.contrib.admin", "orders.apps.OrdersConfig", "catalogue"]
            """,
            "site_/wsgi.py": """
                from django.core.wsgi import get_wsgi_application

                application = get_wsgi_application()
            """,
            "site_/urls.py": """
                from django.contrib import admin
                from django.urls import include, path

                urlpatterns = [path("admin/", admin.site.urls), path("api/", include(("orders.urls", "orders")))]
            """,
            "catalogue/__init__.py": "",
            "orders/__init__.py": "",
            "orders/urls.py": """
                from django.urls import include, path
                from rest_framework.routers import DefaultRouter
                from . import views

                router = DefaultRouter()
                router.register("orders", views.Orders)
                urlpatterns = [path("", include(router.urls)), path("total/<int:order>/", views.total)]
            """,
        },
    )
    assert app == "django site_.wsgi:application"
    assert set(routes) == {
        "GET /api/orders/",
        "POST /api/orders/",
        "GET /api/orders/{pk}/",
        "GET /api/total/{order}/",
    }
    assert django_parts(source) == ["orders", "catalogue"]


@pytest.mark.parametrize(
    ("files", "expected", "routes"),
    [
        (
            {
                "app.py": """
                    from litestar import Controller, Litestar, Router, get

                    class Tasks(Controller):
                        path = "/tasks"

                        @get("/{task:int}")
                        async def show(self, task: int) -> dict: ...

                        @get()
                        async def index(self) -> list: ...

                    app = Litestar([Router("/v1", route_handlers=[Tasks])])
                """
            },
            "litestar app:app",
            {"GET /v1/tasks", "GET /v1/tasks/{task}"},
        ),
        (
            {
                "hello/__init__.py": """
                    from pyramid.config import Configurator

                    def main(global_config, **settings):
                        with Configurator(settings=settings) as config:
                            config.add_route("hello", r"/hello/{name}")
                            config.add_route("page", r"/page/{number:\\d+}")
                        return config.make_wsgi_app()
                """
            },
            "pyramid hello:main",
            {"GET /hello/{name}", "GET /page/{number}"},
        ),
        (
            {
                "web.py": """
                    from starlette.applications import Starlette
                    from starlette.routing import Route

                    app = Starlette(routes=[Route("/users/{user:int}", print, methods=["GET", "POST"])])
                """
            },
            "starlette web:app",
            {"GET /users/{user}", "POST /users/{user}"},
        ),
        ({"broken.py": "def (", "tests/__init__.py": "import flask\napp = flask.Flask('x')"}, "", set()),
    ],
)
def test_other_frameworks(tmp_path: Path, files: dict[str, str], expected: str, routes: set[str]) -> None:
    """The app and the routes of frameworks with tables, controllers and configurators."""
    app, found, _ = survey(tmp_path, files)
    assert app == expected
    assert set(found) == routes


def test_nothing_of_the_app_is_run(tmp_path: Path) -> None:
    """A module that would fail at import is surveyed like any other."""
    app, _, _ = survey(
        tmp_path,
        {"shop.py": "from fastapi import FastAPI\napp = FastAPI()\nraise SystemExit('it was run')\n"},
    )
    assert app == "fastapi shop:app"
