"""The other service."""
import os

from django.db import transaction

from app import models

MAIN = os.environ["SPLITCOST_SERVICE"] == "main"


def where():
    return os.getpid()


def add(title):
    models.Book.objects.create(title=title)
    return os.getpid()


def add_and_fail(title):
    models.Book.objects.create(title=title)
    raise ValueError(title)


def add_manually(title):
    transaction.set_autocommit(False)
    models.Book.objects.create(title=title)
    return os.getpid()


def count(title):
    return [models.Book.objects.filter(title=title).count(), os.getpid()]


def sold_by(seller, titles):
    titles.append(f"of {seller.title}")
    return os.getpid()


def facts(request):
    return [request.path, request.GET["arg"], request.headers["x-asked"], request.tenant, not MAIN]


def amount(request):
    return [request.POST["amount"], not MAIN]
