"""The REST framework and Ninja, on Django."""

from django.urls import path
from ninja import NinjaAPI
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from store import pricing

api = NinjaAPI()


@api_view(["GET"])
def item(request, item):
    return Response({"price": pricing.price(item)})


class Items(APIView):
    def get(self, request, item):
        return Response({"price": pricing.price(item)})


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
    path("ninja/", api.urls),
]
