from pyramid.authentication import AuthTktAuthenticationPolicy
from pyramid.authorization import ACLAuthorizationPolicy
from pyramid.config import Configurator

from store import middleware, pricing


def item(request):
    return {"price": pricing.price(int(request.matchdict["item"]))}


class Items:
    def __init__(self, request):
        self.request = request

    def show(self):
        return {"price": pricing.price(int(self.request.matchdict["item"]))}


with Configurator() as config:
    config.add_tween("store.pyramid_tween.tween")
    config.add_route("item", r"/items/{item:\d+}")
    config.add_view(item, route_name="item", renderer="json")
    config.add_route("class", "/class/{item}")
    config.add_view(Items, attr="show", route_name="class", renderer="json")
    config.set_authorization_policy(ACLAuthorizationPolicy())
    config.set_authentication_policy(AuthTktAuthenticationPolicy("secret"))
    config.add_route("locked", "/locked/{item}")
    config.add_view(item, route_name="locked", permission="open", renderer="json")
    app = middleware.Wsgi(config.make_wsgi_app())
