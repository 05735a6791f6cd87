"""Each route is a way in which a call between modules is more than data to a function."""

from fastapi import FastAPI

from store import kinds, pricing, reports, vault

app = FastAPI()
reports.init_app(app)


@app.get("/ready")
async def ready():
    return kinds.text("ready")


@app.get("/vault/{item}")
async def locked(item: int):
    return vault.tell(item)


@app.get("/cart/{item}")
async def cart(item: int):
    return sum(pricing.service.price(item + line) for line in range(10))


@app.get("/report/{item}")
async def report(item: int):
    return kinds.text(reports.text(item))
