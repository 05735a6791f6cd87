"""One module is settings, routes and app: `DJANGO_SETTINGS_MODULE=store.by_django`."""

import os

from django.http import JsonResponse
from django.urls import include, path
from django.views import View
from django.views.generic import TemplateView

from store import middleware, pricing

SECRET_KEY = "a test's"
DEBUG = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "store.by_django"
MIDDLEWARE = [] if "STORE_BARE" in os.environ else ["store.django_middleware.Log"]
INSTALLED_APPS = []
WSGI_APPLICATION = "store.django_wsgi.app"


@middleware.checked
def item(request, item):
    return JsonResponse({"price": pricing.price(item)})


async def later(request, item):
    return JsonResponse({"price": pricing.price(item)})


class Items(View):
    def get(self, request, item):
        return JsonResponse({"price": pricing.price(item)})


class Page(TemplateView):
    """Nothing in it is the app's but itself."""

    def dispatch(self, request, *arguments, **options):
        return JsonResponse({})


shelves = [
    path("items/<int:item>", item),
    path("class/<item>", Items.as_view()),
    path("later/<int:item>", later),
]
urlpatterns = [path("", include(shelves)), path("page", Page.as_view())]
