"""The REST framework and Ninja, on Django."""

from types import SimpleNamespace

from django.urls import path
from ninja import NinjaAPI
from rest_framework.decorators import api_view
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet, ViewSet

from store import pricing

api = NinjaAPI()


@api_view(["GET"])
def item(request, item):
    return Response({"price": pricing.price(item)})


class Items(APIView):
    def get(self, request, item):
        return Response({"price": pricing.price(item)})


class Stock(RetrieveModelMixin, GenericViewSet):
    """The action itself is the library's."""

    def get_object(self):
        return {"price": pricing.price(self.kwargs["item"])}

    def get_serializer(self, instance):
        return SimpleNamespace(data=instance)


class Shelf(ViewSet):
    def retrieve(self, request, item):
        return Response({"price": pricing.price(item)})


@api.get("/items/{item}")
def ninja_item(request, item: int):
    return {"price": pricing.price(item)}


urlpatterns = [
    path("items/<int:item>", item),
    path("class/<int:item>", Items.as_view()),
    path("set/<int:item>", Shelf.as_view({"get": "retrieve"})),
    path("stock/<int:item>", Stock.as_view({"get": "retrieve"})),
    path("ninja/", api.urls),
]
