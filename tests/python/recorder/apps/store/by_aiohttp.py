import sys

from aiohttp import web

from store import pricing


@web.middleware
async def log(request, handler):
    pricing.log()
    return await handler(request)


async def item(request):
    return web.json_response({"price": pricing.price(int(request.match_info["item"]))})


class Items(web.View):
    async def get(self):
        return web.json_response({"price": pricing.price(int(self.request.match_info["item"]))})


app = web.Application(middlewares=[log])
app.router.add_get("/items/{item}", item)
app.router.add_view(r"/class/{item:\d+}", Items)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
