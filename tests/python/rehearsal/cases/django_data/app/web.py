"""A project of Django's whose checks call the other service inside and outside transactions."""
import os
from wsgiref.simple_server import make_server

from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import JsonResponse
from django.urls import path
from django.utils.functional import SimpleLazyObject

from app import models, vault


def stored(title):
    return models.Book.objects.filter(title=title).count()


def outside(request):
    assert vault.add("outside") != os.getpid()
    assert stored("outside") == 1


def inside(request):
    models.Book.objects.filter(title="inside").delete()
    with transaction.atomic():
        assert vault.add("inside") != os.getpid()
        assert stored("inside") == 1
    try:
        with transaction.atomic():
            vault.add_and_fail("failed")
    except ValueError as error:
        assert str(error) == "failed"
    assert stored("failed") == 0


def uncommitted(request):
    models.Book.objects.filter(title="uncommitted").delete()
    with transaction.atomic():
        models.Book.objects.create(title="uncommitted")
        assert vault.count("uncommitted") == [1, os.getpid()]
        assert vault.where() != os.getpid()
    assert vault.count("uncommitted")[0] == 1
    assert vault.count("uncommitted")[1] != os.getpid()


def reading(request):
    """A transaction of SQLite that has read holds a lock."""
    with transaction.atomic():
        assert not stored("never there")
        assert vault.count("never there")[1] == os.getpid()


def autocommit(request):
    models.Book.objects.create(title="at once")
    assert vault.count("at once")[0] == 1
    assert vault.count("at once")[1] != os.getpid()


def manual(request):
    assert vault.add_manually("manual") != os.getpid()
    assert stored("manual") == 1


def requests(request):
    assert vault.facts(request) == ["/requests", "1", "yes", "acme", True], vault.facts(request)


def body(request):
    assert request.POST["amount"] == "3"
    assert vault.amount(request) == ["3", True]


def lazy(request):
    """A lazy object beside something that is changed, as `request.user` beside a list."""
    for is_made in (True, False):
        seller, titles = SimpleLazyObject(lambda: models.Book(title="seller")), ["first"]
        assert not is_made or seller.title
        assert vault.sold_by(seller, titles) != os.getpid()
        assert titles == ["first", "of seller"]


def answering(view):
    def answer(request):
        request.tenant = "acme"
        view(request)
        connection.close()
        return JsonResponse({})

    return answer


VIEWS = [outside, inside, uncommitted, reading, autocommit, manual, requests, body, lazy]
urlpatterns = [path(view.__name__, answering(view)) for view in VIEWS]
urlpatterns.append(path("health", lambda request: JsonResponse({})))


def serve(port):
    make_server("127.0.0.1", port, get_wsgi_application()).serve_forever()
