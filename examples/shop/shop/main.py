"""The application: routers, error mapping, health."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlmodel import text

from shop import db
from shop.billing.router import router as billing_router
from shop.catalog.router import router as catalog_router
from shop.dashboard.router import router as dashboard_router
from shop.errors import Conflict, NotFound, Rejected, ShopError
from shop.inventory.router import router as inventory_router
from shop.orders.router import router as orders_router
from shop.pricing.errors import UnknownCoupon
from shop.pricing.router import router as pricing_router
from shop.reports.router import router as reports_router
from shop.users.router import router as users_router

STATUS_OF_ERROR: dict[type[ShopError], int] = {
    NotFound: 404,
    Conflict: 409,
    Rejected: 422,
    UnknownCoupon: 422,
}


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Give the database connections back at the end."""
    yield
    await db.async_engine.dispose()
    db.engine.dispose()


app = FastAPI(title="Shop", lifespan=lifespan)
app.include_router(users_router)
app.include_router(catalog_router)
app.include_router(inventory_router)
app.include_router(pricing_router)
app.include_router(orders_router)
app.include_router(billing_router)
app.include_router(dashboard_router)
app.include_router(reports_router)


@app.exception_handler(ShopError)
async def on_shop_error(_request: Request, error: ShopError) -> JSONResponse:
    """Answer with the status of the nearest known class of the error."""
    status = next((STATUS_OF_ERROR[cls] for cls in type(error).__mro__ if cls in STATUS_OF_ERROR), 400)
    return JSONResponse({"error": type(error).__name__, "detail": str(error)}, status_code=status)


@app.get("/health")
async def health() -> dict[str, str]:
    """Answers if the application runs and reaches its database."""
    async with db.async_session() as session:
        await session.exec(text("SELECT 1"))  # type: ignore[call-overload]
    return {"status": "ok"}
