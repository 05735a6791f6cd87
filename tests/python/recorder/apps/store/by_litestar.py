from litestar import Controller, Litestar, get

from store import middleware, pricing


@get("/items/{item:int}", sync_to_thread=True)
def item(item: int) -> dict[str, int]:
    return {"price": pricing.price(item)}


class Items(Controller):
    path = "/class"

    @get("/{item:int}")
    async def show(self, item: int) -> dict[str, int]:
        return {"price": pricing.price(item)}


async def log(request: object) -> None:
    pricing.log()


app = Litestar([item, Items], middleware=[middleware.Asgi], before_request=log)
