import sys

from sanic import Sanic, response

from store import pricing

app = Sanic("store")


@app.on_request
async def log(request):
    pricing.log()


@app.get("/items/<item:int>")
async def item(request, item):
    return response.json({"price": pricing.price(item)})


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), single_process=True, motd=False)
