"""An app without a framework, whose map of rules is Werkzeug's."""

from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from store import pricing


class Items:
    def show(self, item):
        return Response(str(pricing.price(item)))


def answer(item):
    return Response(str(pricing.price(item)))


ITEMS = Items()
RULES = Map(
    [
        Rule("/items/<int:item>", endpoint=answer),
        Rule("/class/<int:item>", endpoint=ITEMS.show),
        Rule("/named/<int:item>", endpoint="named"),
    ]
)


@Request.application
def app(request):
    endpoint, values = RULES.bind_to_environ(request.environ).match()
    return (answer if endpoint == "named" else endpoint)(**values)
