//! `splitcost init` in projects of several frameworks.

use std::fs;

use crate::project::Project;

/// A project with these files.
fn project(files: &[(&str, &str)]) -> Project {
    let project = Project::empty();
    for (path, text) in files {
        let path = project.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    project
}

/// Runs `init`, checks what it says, and returns the lines of the file that hold settings.
#[track_caller]
fn init(project: &Project, arguments: &[&str], said: &str) -> String {
    let transcript = project.run(&[&["init"], arguments].concat());
    assert!(transcript.starts_with("exit 0"), "{transcript}");
    assert!(transcript.contains(said), "{transcript}");
    let text = fs::read_to_string(project.path("splitcost.toml")).unwrap();
    // It can be read; only a recording is missing.
    let estimated = project.run(&["estimate"]);
    assert!(estimated.contains("hint: make one with `splitcost record`"), "{estimated}\n{text}");
    let settings = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    settings.collect::<Vec<_>>().join("\n")
}

const PRICES: &str = "def quote(item):\n    return item * 2\n";

#[test]
fn a_flask_factory_is_found_with_its_blueprints() {
    let project = project(&[
        (
            "library/__init__.py",
            "from flask import Flask\n\ndef create_app():\n    app = Flask(__name__)\n    from library.books import views as books\n    \
             app.register_blueprint(books.bp, url_prefix='/books')\n    return app\n",
        ),
        ("library/books/__init__.py", ""),
        (
            "library/books/views.py",
            "from flask import Blueprint\nfrom library import prices\nbp = Blueprint('books', __name__)\n\n\
             @bp.route('/')\ndef index():\n    return {}\n\n@bp.route('/<int:book>/price')\ndef price(book):\n    \
             return {'price': prices.quote(book)}\n\n@bp.post('/<slug>')\ndef add(slug):\n    return {}\n",
        ),
        ("library/prices.py", PRICES),
        ("library/seed.py", &format!("from library import prices\n{}", "prices.quote(1)\n".repeat(50))),
        ("tests/__init__.py", "from flask import Flask\napp = Flask('test')\n"),
    ]);
    insta::assert_snapshot!(init(&project, &[], "wrote splitcost.toml for library:create_app()"), @r#"
    [app]
    command = ["gunicorn", "library:create_app()", "--bind", "127.0.0.1:{port}", "--threads", "8"]
    package = "library"
    ready = "/books/"
    [workload]
    seed = 1
    [[workload.requests]]
    path = "/books/"
    [[workload.requests]]  # fill in: values that exist
    path = "/books/{book}/price"
    params = { book = { int = [1, 10] } }
    "#);
    let text = fs::read_to_string(project.path("splitcost.toml")).unwrap();
    assert!(text.contains("#   library.books      15  calls library.prices (1)"), "{text}");
    assert!(text.contains("# [[workload.requests]]  # fill in: the body, and values that exist\n# method = \"POST\"\n# path = \"/books/{slug}\""), "{text}");
}

#[test]
fn a_django_project_has_its_apps_as_modules() {
    let view = "from django.http import JsonResponse\nfrom catalogue import services\n\ndef total(request, order):\n    \
                return JsonResponse({'total': services.quote(order)})\n";
    let project = project(&[
        ("manage.py", "import os\n"),
        ("site_/__init__.py", ""),
        (
            "site_/settings.py",
            "ROOT_URLCONF = 'site_.urls'\nINSTALLED_APPS = ['django.contrib.admin', 'catalogue.apps.CatalogueConfig', 'orders']\n",
        ),
        (
            "site_/asgi.py",
            "from django.core.asgi import get_asgi_application\n\napplication = get_asgi_application()\n",
        ),
        (
            "site_/urls.py",
            "from django.contrib import admin\nfrom django.urls import include, path\n\nurlpatterns = [\n    \
             path('admin/', admin.site.urls),\n    path('orders/', include('orders.urls')),\n]\n",
        ),
        ("catalogue/__init__.py", ""),
        ("catalogue/services.py", PRICES),
        ("catalogue/migrations/__init__.py", ""),
        ("orders/__init__.py", ""),
        (
            "orders/urls.py",
            "from django.urls import path\nfrom orders import views\n\nurlpatterns = [path('<int:order>/', views.total)]\n",
        ),
        ("orders/views.py", view),
    ]);
    insta::assert_snapshot!(init(&project, &[], "wrote splitcost.toml for site_.asgi:application"), @r#"
    [app]
    command = ["uvicorn", "site_.asgi:application", "--host", "127.0.0.1", "--port", "{port}"]
    package = ["site_", "catalogue", "orders"]
    modules = ["catalogue", "orders"]
    ready = "/"
    [workload]
    seed = 1
    [[workload.requests]]  # fill in: values that exist
    path = "/orders/{order}/"
    params = { order = { int = [1, 10] } }
    "#);
}

#[test]
fn requests_come_from_a_log_or_an_archive() {
    let files = [
        ("shop/__init__.py", ""),
        (
            "shop/main.py",
            "from fastapi import APIRouter, FastAPI\n\napp: FastAPI = FastAPI()\nrouter = APIRouter(prefix='/items')\n\n\
             @router.get('/{item}')\nasync def item(item: str) -> dict:\n    return {}\n\napp.include_router(router, prefix='/api')\n",
        ),
        (
            "access.log",
            "::1 - - [01/Nov/2026:10:00:00 +0000] \"GET /api/items/red HTTP/1.1\" 200 9\n\
             ::1 - - [01/Nov/2026:10:00:01 +0000] \"GET /api/items/blue HTTP/1.1\" 200 9\n",
        ),
        (
            "saved.har",
            r#"{"log": {"entries": [{"request": {"method": "POST", "url": "http://localhost/api/items",
                "headers": [{"name": "Cookie", "value": "secret=1"}],
                "postData": {"mimeType": "application/json", "text": "{\"a\": 1}"}}}]}}"#,
        ),
    ];
    insta::assert_snapshot!(init(&project(&files), &["--access-log", "access.log"], "wrote splitcost.toml for shop.main:app"), @r#"
    [app]
    command = ["uvicorn", "shop.main:app", "--host", "127.0.0.1", "--port", "{port}"]
    package = "shop"
    ready = "/"
    [workload]
    seed = 1
    [[workload.requests]]
    path = "/api/items/{item}"
    weight = 2
    params = { item = { choice = ["red", "blue"] } }
    "#);
    let archived = init(&project(&files), &["--har", "saved.har"], "wrote splitcost.toml for shop.main:app");
    assert!(archived.contains("body_text = \"{{\\\"a\\\": 1}}\"") && !archived.contains("secret"), "{archived}");
    let empty = project(&[("access.log", "nothing")]).run(&["init", "--access-log", "access.log"]);
    insta::assert_snapshot!(empty, @r"
    exit 2
    error: access.log has no request that succeeded
    hint: the log must be in the common or combined format of Apache and nginx
    ");
}

const API: &str = r##"
openapi: 3.1.0
servers: [{url: /api}]
paths:
  /items/{item}:
    parameters: [{name: item, in: path, required: true, schema: {type: string, examples: [red, blue]}}]
    get: {parameters: [{name: page-size, in: query, required: true, schema: {type: integer, minimum: 5}}]}
    put:
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Item"}}}}
    trace: {}
components: {schemas: {Item: {required: [name, price], properties: {name: {example: "a {b}"}, price: {type: number}}}}}
"##;

#[test]
fn requests_come_from_a_description_of_the_api() {
    let app = ("shop.py", "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/status')\ndef status(): ...\n");
    let project = |text: &str| project(&[app, ("docs/api/openapi.yml", text), ("tests/openapi.json", "{}")]);
    let found = project(API);
    insta::assert_snapshot!(init(&found, &[], "the requests are those of docs/api/openapi.yml"), @r#"
    [app]
    command = ["uvicorn", "shop:app", "--host", "127.0.0.1", "--port", "{port}"]
    package = "shop"
    ready = "/"
    [workload]
    seed = 1
    [[workload.requests]]  # fill in: page-size
    path = "/api/items/{item}?page-size={page_size}"
    params = { item = { choice = ["red", "blue"] }, page_size = { int = [5, 14] } }
    "#);
    let text = fs::read_to_string(found.path("splitcost.toml")).unwrap();
    assert!(text.contains("# [[workload.requests]]  # fill in: body.price\n# method = \"PUT\"\n"), "{text}");
    assert!(text.contains("# body = { name = \"a {{b}}\", price = 1.0 }\n"), "{text}");

    // A document that nobody named is not needed; one that was named is.
    let broken = API.replace("schemas/Item\"", "schemas/Things\"");
    let warned = init(&project(&broken), &[], "the routes in the source are used instead");
    assert!(warned.contains("path = \"/status\""), "{warned}");
    insta::assert_snapshot!(project(&broken).run(&["init", "--openapi", "docs/api/openapi.yml"]), @r##"
    exit 2
    error: failed to read docs/api/openapi.yml: #/paths/~1items~1{item}/put/requestBody/content/application~1json/schema/$ref: "#/components/schemas/Things" leads nowhere
    "##);
}

#[test]
fn servers_of_their_own_are_started() {
    let start = |text: &str| {
        let settings = init(&project(&[("web.py", text)]), &[], "wrote splitcost.toml for web:");
        settings.lines().find(|line| line.starts_with("command")).unwrap().to_owned()
    };
    let commands = [
        start("from sanic import Sanic\ndef make():\n    app = Sanic('a')\n    return app\n"),
        start("from aiohttp import web\nasync def make(argv):\n    app = web.Application()\n    return app\n"),
        start("from aiohttp import web\napp = web.Application()\n"),
        start("from tornado.web import Application\napp = Application([])\n"),
        start("from flask import Flask\ndef make(config):\n    app = Flask('a')\n    return app\n"),
    ];
    insta::assert_snapshot!(commands.join("\n"), @r#"
    command = ["sanic", "web:make", "--factory", "--host", "127.0.0.1", "--port", "{port}", "--single-process"]
    command = ["python", "-m", "aiohttp.web", "-H", "127.0.0.1", "-P", "{port}", "web:make"]
    command = ["gunicorn", "web:app", "--bind", "127.0.0.1:{port}", "--worker-class", "aiohttp.GunicornWebWorker"]
    command = ["python", "-m", "web", "--port={port}"]
    command = ["gunicorn", "web:make(\"FILL IN\")", "--bind", "127.0.0.1:{port}", "--threads", "8"]
    "#);
}

#[test]
fn without_an_app_the_file_is_an_example() {
    let project = Project::empty();
    let settings = init(&project, &[], "because no app was found here");
    assert!(settings.contains("package = \"shop\""), "{settings}");
    let again = project.run(&["init"]);
    insta::assert_snapshot!(again, @r"
    exit 2
    error: splitcost.toml exists already
    hint: edit it, or remove it first; `splitcost evaluate` uses it as it is
    ");
}
