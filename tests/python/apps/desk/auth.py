"""A dependency that routes name, one that they do not, and middleware that this module adds itself."""

from typing import Annotated

from fastapi import Depends
from starlette.middleware.base import BaseHTTPMiddleware


def token(key: str = "k") -> str:
    return key * 2


def user(key: Annotated[str, Depends(token)]) -> str:
    return f"user of {key}"


def limit(size: int = 10) -> int:
    return min(size, 100)


Limit = Annotated[int, Depends(limit)]


def note(item: int) -> None:
    seen.append(item % 3)


seen: list[int] = []


async def stamp(request, call_next):
    answer = await call_next(request)
    answer.headers["x-stamp"] = "1"
    return answer


def install(app) -> None:
    app.add_middleware(BaseHTTPMiddleware, dispatch=stamp)
