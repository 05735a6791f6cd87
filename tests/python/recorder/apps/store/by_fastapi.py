import os

from fastapi import APIRouter, BackgroundTasks, FastAPI, WebSocket

from store import middleware, pricing

app = FastAPI()
if "STORE_BARE" not in os.environ:
    app.add_middleware(middleware.Asgi)
router = APIRouter(prefix="/items")


@app.middleware("http")
async def log(request, call_next):
    pricing.log()
    return await call_next(request)


@router.get("/{item:int}")
@middleware.checked
def item(item: int, tasks: BackgroundTasks):
    tasks.add_task(pricing.log)
    return {"price": pricing.price(item)}


@app.websocket("/talk/{name}")
async def talk(socket: WebSocket, name: str):
    await socket.accept()
    async for message in socket.iter_text():
        await socket.send_text(str(pricing.price(len(message))))


app.include_router(router)
