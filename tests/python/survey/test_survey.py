"""The survey of an app's source for ``splitcost init``: each framework in a project of its own."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from splitcost.survey.apps import database_variables, find_apps, find_celery
from splitcost.survey.django import Django
from splitcost.survey.route import from_regex
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


def test_a_script_that_fills_the_database_is_not_the_app(tmp_path: Path) -> None:
    app, _, source = survey(
        tmp_path,
        {
            "rentals/__init__.py": """
                import os
                import flask

                def create_app():
                    app = flask.Flask(__name__)
                    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "sqlite:///app.db")
                    return app
            """,
            "seed.py": """
                from rentals import create_app

                app = create_app()
                with app.app_context():
                    print("filled")
            """,
        },
    )
    assert app == "flask rentals:create_app"
    assert database_variables(source) == ["DATABASE_URL", "SQLALCHEMY_DATABASE_URI"]


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
    assert Django(source).parts() == ["orders", "catalogue"]


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

                        @get("/{task:int}/log")
                        async def log(self, task: int, since: str, query: str, page: int = 1) -> list: ...

                    app = Litestar([Router("/v1", route_handlers=[Tasks])])
                """
            },
            "litestar app:app",
            {"GET /v1/tasks", "GET /v1/tasks/{task}", "GET /v1/tasks/{task}/log?since={since}"},
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


def check(tmp_path: Path, files: dict[str, str], expected: str, routes: str) -> None:
    """Compare the best app and all routes of a project."""
    app, found, _ = survey(tmp_path, files)
    assert (app, "\n".join(sorted(found))) == (expected, textwrap.dedent(routes).strip())


def test_django_in_all_its_notations(tmp_path: Path) -> None:
    """Settings in parts, patterns of every kind, class-based views, nested routers, and no pages for debugging."""
    check(
        tmp_path,
        {
            "manage.py": """
                import os
                if __name__ == "__main__":
                    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings.local")
            """,
            "site_/__init__.py": "",
            "site_/settings/__init__.py": "",
            "site_/settings/base.py": """
                ROOT_URLCONF = "site_.urls"
                LANGUAGE_CODE = "de"
                OWN = ["shop.orders.apps.OrdersConfig"]
                INSTALLED_APPS = ["django.contrib.admin"] + OWN
                NAME = "site_"
                PREFIX = "the/"
            """,
            "site_/settings/local.py": "from .base import *\nINSTALLED_APPS += ['shop.pages']\n",
            "site_/urls.py": """
                from django.conf import settings
                from django.conf.urls.i18n import i18n_patterns
                from django.urls import include, path, re_path
                from django.utils.translation import gettext_lazy as _
                from django.views.generic import TemplateView
                from shop.orders import urls as orders_urls
                from shop.pages import views

                extra = [re_path(r"^(?P<slug>[-\\w]+)/(?:page-(?P<page>[0-9]+)/)?$", views.page)]
                urlpatterns = [
                    path(settings.PREFIX + "about", TemplateView.as_view()),
                    path("orders/", include((orders_urls, "orders"), namespace="o")),
                    path("extra/", include(extra)),
                    path("inline/", include([re_path("^a.b$", views.Page.as_view()), path("c", views.post)])),
                ]
                urlpatterns += i18n_patterns(path(_("news/"), views.post), prefix_default_language=True)
                if settings.DEBUG:
                    urlpatterns += [path("debug/", views.page)]
            """,
            "shop/__init__.py": "",
            "shop/pages/__init__.py": "",
            "shop/pages/views.py": """
                from django.views import View
                from django.views.decorators.http import require_POST

                def page(request, slug): ...

                @require_POST
                def post(request): ...

                class Page(View):
                    def get(self, request): ...
                    def put(self, request): ...
            """,
            "shop/orders/__init__.py": "",
            "shop/orders/apps.py": "class OrdersConfig: ...",
            "shop/orders/urls.py": """
                from rest_framework.routers import SimpleRouter
                from rest_framework_nested.routers import NestedSimpleRouter
                from django.urls import path
                from .views import Orders, Lines, Create

                router = SimpleRouter(trailing_slash=False)
                router.register("all", Orders)
                lines = NestedSimpleRouter(router, "all", lookup="order")
                lines.register(prefix="lines", viewset=Lines)
                urlpatterns = router.urls + [path("new/", Create.as_view()), *lines.urls]
            """,
            "shop/orders/views.py": """
                from rest_framework import generics, mixins, viewsets
                from rest_framework.decorators import action

                class Orders(mixins.ListModelMixin, viewsets.GenericViewSet):
                    lookup_field = "number"

                    def update(self, request, number): ...

                    @action(detail=True, methods=["post"], url_path="pay-now")
                    def pay(self, request, number): ...

                class Lines(viewsets.ReadOnlyModelViewSet): ...

                class Base(generics.ListCreateAPIView): ...

                class Create(Base):
                    def delete(self, request): ...
            """,
        },
        "django site_.settings.local:manage.py",
        """
        DELETE /orders/new/
        GET /extra/{slug}/
        GET /inline/a.b
        GET /orders/all
        GET /orders/all/{order_pk}/lines/
        GET /orders/all/{order_pk}/lines/{pk}/
        GET /orders/new/
        GET /the/about
        POST /de/news/
        POST /inline/c
        POST /orders/all/{number}/pay-now
        POST /orders/new/
        PUT /inline/a.b
        PUT /orders/all/{number}
        """,
    )
    assert Django(Source.read(tmp_path)).parts() == ["shop.orders", "shop.pages"]


def test_flask_in_all_its_notations(tmp_path: Path) -> None:
    """Nested blueprints, rules that are added, classes of views, prefixes from settings, and blueprints of a loop."""
    check(
        tmp_path,
        {
            "shop/__init__.py": """
                import os
                from flask import Flask
                from . import admin, users
                from .settings import settings
                from .resources import api

                def create_app(config):
                    app = Flask(__name__)
                    for blueprint, prefix in ((admin.bp, "/admin"), (users.bp, None)):
                        app.register_blueprint(blueprint, url_prefix=prefix)
                    app.register_blueprint(api, url_prefix=f"{settings.API}/v1")
                    app.add_url_rule(os.getenv("HEALTH", "/health"), view_func=users.health)
                    return app

                if __name__ == "__main__":
                    app = create_app("development")
            """,
            "shop/settings.py": "class Settings:\n    API: str = '/api'\n\nsettings = Settings()\n",
            "shop/admin.py": """
                from flask import Blueprint
                from .users import nested

                bp = Blueprint("admin", __name__)
                bp.register_blueprint(nested, url_prefix="/people")
            """,
            "shop/users.py": """
                from flask import Blueprint
                from flask.views import MethodView

                bp = Blueprint("users", __name__, url_prefix="/users")
                nested = Blueprint("nested", __name__, url_prefix="/old")

                def health(): ...

                class User(MethodView):
                    def get(self, user): ...
                    def patch(self, user): ...

                nested.add_url_rule("/<int:user>", view_func=User.as_view("user"))

                @bp.route("/", methods=["GET", "HEAD", "OPTIONS"])
                def index(): ...
            """,
            "shop/resources.py": """
                from flask import Blueprint
                from flask_restful import Api, Resource

                api = Blueprint("api", __name__)
                rest = Api(api)

                class Item(Resource):
                    def delete(self): ...

                def register_view(router, routes, view_func): ...

                rest.add_resource(Item, "/item", "/old/item")

                @api.route("/class")
                class Listed(Item): ...

                register_view(api, routes=["/helper"], view_func=Item.as_view("x"))
            """,
        },
        "flask shop:create_app",
        """
        DELETE /api/v1/class
        DELETE /api/v1/helper
        DELETE /item
        DELETE /old/item
        GET /admin/people/{user}
        GET /health
        GET /users/
        PATCH /admin/people/{user}
        """,
    )
    assert find_apps(Source.read(tmp_path))[0].arguments == '"FILL IN"'


@pytest.mark.parametrize(
    ("files", "expected", "routes"),
    [
        (
            {
                "backend/pyproject.toml": "",
                "backend/service/main.py": """
                    from fastapi import FastAPI
                    from .api import routers, extra

                    class Service(FastAPI): ...

                    def make():
                        app = Service()
                        for router in routers:
                            app.include_router(router, prefix="/api")
                        app.add_api_route("/added", print, methods=["PUT"])
                        app.mount("/sub", extra)
                        return app
                """,
                "backend/service/api.py": """
                    from enum import Enum
                    from typing import Annotated, Literal
                    from fastapi import APIRouter, Depends, FastAPI, Header, Query

                    one = APIRouter(prefix="/one")
                    extra = FastAPI()

                    class Kind(str, Enum):
                        open = "open"
                        closed = "shut"

                    @one.get("/{item}")
                    def item(
                        item: str,
                        session: Annotated[Session, Depends(get)],
                        token: Annotated[str, Header()],
                        q: Annotated[str, Query(max_length=3)],
                        kind: Kind,
                        size: int,
                        body: object,
                        order: Literal["a", "b"],
                        page: int = 1,
                    ): ...

                    @extra.get("/status")
                    def status(): ...

                    routers = [one]
                """,
            },
            "fastapi service.api:extra",
            "GET /api/one/{item}?q={q}&kind={kind}&size={size}&order={order}\nGET /sub/status\nPUT /added",
        ),
        (
            {
                "app.py": """
                    from starlette.applications import Starlette
                    from starlette.routing import Mount, Route
                    from views import Users

                    inner = [Route("/{user:int}", Users)]
                    app = Starlette(routes=[Mount("/users", routes=inner), Route("/", print)])
                """,
                "views.py": """
                    from starlette.endpoints import HTTPEndpoint

                    class Users(HTTPEndpoint):
                        async def get(self, request): ...
                        async def delete(self, request): ...
                """,
            },
            "starlette app:app",
            "DELETE /users/{user}\nGET /\nGET /users/{user}",
        ),
        (
            {
                "hello/__init__.py": """
                    def main(global_config, **settings):
                        from pyramid.config import Configurator
                        config = Configurator(settings=settings)
                        config.include(".routes", route_prefix="/v1")
                        config.scan()
                        return config.make_wsgi_app()
                """,
                "hello/routes.py": """
                    def includeme(config):
                        config.add_route("item", "/item/{id}")
                        config.add_route("rest", "/rest/*subpath")
                """,
                "hello/views.py": """
                    from cornice import Service
                    from pyramid.view import view_config

                    status = Service(name="status", path="/status")

                    @status.get()
                    def show(request): ...

                    @view_config(route_name="item", request_method=("PUT", "POST"))
                    def item(request): ...
                """,
            },
            "pyramid hello:main",
            "GET /status\nGET /v1/rest/{subpath}\nPOST /v1/item/{id}\nPUT /v1/item/{id}",
        ),
        (
            {
                "images.py": """
                    import falcon

                    class Images:
                        def on_get(self, req, resp): ...
                        def on_post_many(self, req, resp): ...

                    app = falcon.App()
                    images = Images()
                    app.add_route("/images/{id:int}", images)
                    app.add_route("/images", images, suffix="many")
                """
            },
            "falcon images:app",
            "GET /images/{id}\nPOST /images",
        ),
        (
            {
                "web.py": """
                    from aiohttp import web

                    routes = web.RouteTableDef()

                    class Page(web.View):
                        async def post(self): ...

                    @routes.get("/decorated")
                    async def decorated(request): ...

                    async def make(argv):
                        app, sub = web.Application(), web.Application()
                        inner = web.Application()
                        add = app.router.add_route
                        add("GET", "/bound", decorated)
                        app.router.add_put("/put", decorated)
                        app.add_routes([web.view("/page", Page), web.delete("/gone", decorated)])
                        inner.router.add_get("/deep", decorated)
                        app.add_subapp("/inner", inner)
                        return app
                """
            },
            "aiohttp web:make",
            "DELETE /gone\nGET /bound\nGET /decorated\nGET /inner/deep\nPOST /page\nPUT /put",
        ),
        (
            {
                "server.py": r"""
                    import tornado.web

                    class Item(tornado.web.RequestHandler):
                        def get(self, item): ...

                    class Feed(Item):
                        def post(self): ...

                    app = tornado.web.Application([(r"/item/(\d+)/?", Item), tornado.web.url(r"/feed\.xml", Feed)])
                    unrelated = ("/a", "/b")
                """
            },
            "tornado server:app",
            "GET /feed.xml\nGET /item/{value0}/\nPOST /feed.xml",
        ),
        (
            {
                "server.py": """
                    from sanic import Blueprint, Sanic

                    app = Sanic("shop")
                    users = Blueprint("users", url_prefix="/users")
                    group = Blueprint.group(users, url_prefix="/api")

                    @users.get("/<user:int>")
                    async def user(request, user): ...

                    app.blueprint(group)
                    app.add_route(user, "/added", methods=["POST"])
                """
            },
            "sanic server:app",
            "GET /api/users/{user}\nPOST /added",
        ),
        (
            {
                "server.py": """
                    import bottle
                    from bottle import get, route

                    @get("/<item:int>/:old")
                    def item(item, old): ...

                    @route(["/a", "/b"], method="PUT")
                    def put(): ...

                    app = bottle.default_app()
                """
            },
            "bottle server:app",
            "GET /{item}/{old}\nPUT /a\nPUT /b",
        ),
    ],
)
def test_tables_and_inclusions(tmp_path: Path, files: dict[str, str], expected: str, routes: str) -> None:
    """The notations of each framework, over several files."""
    check(tmp_path, files, expected, routes)


@pytest.mark.parametrize(
    ("pattern", "template"),
    [
        (r"^articles/(?P<year>[0-9]{4})/(?P<slug>[-\w]+)/$", "articles/{year:int}/{slug:str}/"),
        (r"^(a|b)/(?:c|d)/x(?:\.(?P<kind>json|xml))?$", "{value0:str}/c/x"),
        (r"^x[a-z]{4,5}/.*$", "x/"),
        (r"^[^/]+/\(odd\)(", "/(odd){value0:str}"),
    ],
)
def test_regular_expressions_become_templates(pattern: str, template: str) -> None:
    """Groups become placeholders, what may be missing is left out, and a broken pattern ends."""
    assert from_regex(pattern) == template


def test_nothing_of_the_app_is_run(tmp_path: Path) -> None:
    """A module that would fail at import is surveyed like any other."""
    app, _, _ = survey(
        tmp_path,
        {"shop.py": "from fastapi import FastAPI\napp = FastAPI()\nraise SystemExit('it was run')\n"},
    )
    assert app == "fastapi shop:app"
