"""Clients of Redis and of HTTP: httpx, httpx2 and requests.

The settings of a client stand for it. The callee makes one of the same class and settings once, and keeps it, as a
service would: its connections are its own.
"""

from __future__ import annotations

import functools
import inspect
import ssl
from typing import Any

import orjson

from splitcost import codec

REDIS, HTTP = "redis", "http"
KINDS = frozenset({REDIS, HTTP})

_REDIS = ("redis.client:Redis", "redis.asyncio.client:Redis")
_HTTPX = tuple(f"{package}:{name}" for package in ("httpx", "httpx2") for name in ("Client", "AsyncClient"))
_REQUESTS = ("requests.sessions:Session",)

MOST_CLIENTS = 64
"""Clients that are kept. Chosen: an app that names each request in a header makes a new one for each."""


def describe(value: Any) -> list[Any] | None:
    """Return what stands for a client, if its settings are all that it is."""
    name = codec.name_of(type(value))
    if name in _REDIS:
        found = _redis_settings(value)
        return None if found is None else [REDIS, name, *found]
    settings = None
    if name in _HTTPX:
        settings = _httpx_settings(value)
    elif name in _REQUESTS:
        settings = _requests_settings(value)
    return None if settings is None else [HTTP, name, settings]


def make(content: list[Any]) -> Any:
    """Return the callee's own client."""
    return _client(orjson.dumps(content))


@functools.lru_cache(MOST_CLIENTS)
def _client(description: bytes) -> Any:
    kind, name, *settings = orjson.loads(description)
    if name not in (*_REDIS, *_HTTPX, *_REQUESTS):
        raise codec.DecodeError(f"{name} is no client of a known kind")
    client = codec.resolve(name)
    if kind == REDIS:
        pool, connection, options = (codec.resolve(settings[0]), codec.resolve(settings[1]), settings[2])
        return client(connection_pool=pool(connection_class=connection, **options))
    (options,) = settings
    if name in _HTTPX:
        return client(**options | {"timeout": tuple(options["timeout"])})
    session = client()
    for each in ("headers", "params"):
        getattr(session, each).update(options.pop(each))
    session.cookies.update(options.pop("cookies"))
    vars(session).update(options)
    return session


def _redis_settings(value: Any) -> list[Any] | None:
    kind: Any = type(value)
    pool, usual = value.connection_pool, _usual_options(kind)
    options = {
        name: option
        for name, option in pool.connection_kwargs.items()
        if name in usual and not _is_same(option, usual[name])
    }
    if not all(_is_plain(option) for option in options.values()):
        return None  # A retry policy, a provider of passwords.
    return [codec.name_of(type(pool)), codec.name_of(pool.connection_class), options]


@functools.cache
def _usual_options(kind: Any) -> dict[str, Any]:
    """The options that a client's class takes, with their defaults, some of which are objects. Others are its own."""
    usual = kind().connection_pool.connection_kwargs
    names = [*inspect.signature(kind).parameters, "path"]  # That of a socket of unix has another name there.
    return {name: usual.get(name) for name in names}


def _is_same(one: Any, other: Any) -> bool:
    if one == other:
        return True
    return type(one) is type(other) and hasattr(one, "__dict__") and bool(vars(one) == vars(other))


def _httpx_settings(value: Any) -> dict[str, Any] | None:
    # A transport of the app's own, a proxy, or a way to log in cannot be read again.
    is_usual = type(value._transport).__name__ in ("HTTPTransport", "AsyncHTTPTransport")
    if not is_usual or value._mounts or value.auth is not None or any(value.event_hooks.values()):
        return None
    pool = value._transport._pool
    return {
        "verify": pool._ssl_context.verify_mode is not ssl.CERT_NONE,
        "http2": pool._http2,
        "base_url": str(value.base_url),
        "headers": list(value.headers.multi_items()),
        "params": list(value.params.multi_items()),
        "cookies": dict(value.cookies),
        "timeout": [value.timeout.connect, value.timeout.read, value.timeout.write, value.timeout.pool],
        "follow_redirects": value.follow_redirects,
        "max_redirects": value.max_redirects,
        "trust_env": value.trust_env,
    }


def _requests_settings(value: Any) -> dict[str, Any] | None:
    is_usual = all(type(adapter).__name__ == "HTTPAdapter" for adapter in value.adapters.values())
    if not is_usual or any(value.hooks.values()) or not (value.auth is None or _is_plain(value.auth)):
        return None
    plain = {
        name: getattr(value, name) for name in ("verify", "cert", "max_redirects", "trust_env", "proxies")
    }
    return plain | {
        "auth": value.auth,
        "headers": dict(value.headers),
        "params": dict(value.params) if isinstance(value.params, dict) else value.params,
        "cookies": value.cookies.get_dict(),
    }


def _is_plain(option: Any) -> bool:
    return isinstance(option, str | int | float | bool) or (
        isinstance(option, list | tuple) and all(map(_is_plain, option))
    )
