"""The routes."""

from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI

from desk import auth, services

app = FastAPI()
auth.install(app)


@app.get("/ready")
async def ready():
    return "ready"


@app.get("/orders/{item}")
def order(item: int):
    return services.orders.place(item) + services.rush.place(item) + services.orders.cancel(item)


@app.get("/users/{item}")
async def user(item: int):
    return services.users.name(item)


@app.get("/mine/{item}")
async def mine(item: int, user: Annotated[str, Depends(auth.user)], size: auth.Limit, tasks: BackgroundTasks):
    tasks.add_task(auth.note, item)
    return [item, user, size]
