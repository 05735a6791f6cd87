"""The description of a rehearsal: the service that this process is, the owner of each module, the addresses.

splitcost writes the description that is read here, and every constant in it that both sides need.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splitcost.rehearsal.policy import NO_LIMITS, NO_TIMEOUT_SECS, Policy

_CALLED_BY_SYNTAX = {
    "__call__",
    "__contains__",
    "__delitem__",
    "__getitem__",
    "__len__",
    "__setitem__",
}
"""Methods that code of another service calls without their names."""


@dataclass(frozen=True)
class Service:
    """One service of the split: the port on loopback where it takes calls of others, and the modules it claims."""

    name: str
    rpc_port: int
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """The rehearsal as one service sees it."""

    service: str
    """The service that this process is; empty for a loopback, where it is all of them."""
    token: str
    stack: str
    packages: tuple[str, ...]
    services: dict[str, Service]
    main_service: str
    """The service that owns all modules that no service claims."""
    policy: Policy = NO_LIMITS
    reports: Path | None = None
    """The directory for the reports of this service's processes."""
    links: dict[str, str] = field(default_factory=dict)
    """Service → the address of the emulated link that leads there, where there is one."""
    faults: Path | None = None
    copied: tuple[str, ...] = ()
    """Modules of which every service has a copy."""
    local_functions: frozenset[str] = frozenset()
    """Functions whose calls stay in the caller, as their values cannot cross."""
    adapted: frozenset[str] = frozenset()
    """Functions that cross with something adapted; where a framework calls them, they do not."""
    changing_functions: frozenset[str] = frozenset()
    """Functions and methods that changed an argument, or their object, in the recording."""
    functions: frozenset[str] = frozenset()
    """Functions and methods that the recording shows to be called remotely, as ``module:Class.method``."""
    by_reference: tuple[str, ...] = ()
    """Classes, as ``module:Class``, whose objects stay where they are."""
    sends_back: bool = True
    """Changes that a callee makes to its arguments go back to the caller."""
    batch: int = 100
    """The most items of an iterator in one message."""
    adapters: dict[str, str] = field(default_factory=dict)
    """Class of a resource → ``module:attribute`` by which the callee makes its own."""
    database_functions: frozenset[str] | None = None
    """Functions whose recorded calls, or calls below them, issued statements; ``None`` without a recording."""
    endpoint_header: str = ""
    """The header, in lower case, in which the load generator names a request's endpoint."""
    boundaries: tuple[str, ...] = ()
    """Modules that the settings name, classes included, the longest name first."""
    depth: int | None = None
    """Parts in the name of every other module."""
    claims: tuple[tuple[str, str], ...] = field(default=())
    """Module → service. A class that a service claims stays where its file is."""

    @classmethod
    def from_dict(
        cls,
        document: dict[str, Any],
        service: str,
        boundaries: tuple[str, ...] = (),
        depth: int | None = None,
    ) -> Config:
        """Read the rehearsal's JSON document. Raises ``ValueError`` that names what is missing or wrong."""
        try:
            services = {name: _service(name, table) for name, table in document["services"].items()}
            packages, main_service = tuple(document["packages"]), str(document["main_service"])
            token, stack = str(document["token"]), str(document["stack"])
            policy = _policy(document["policy"]) if "policy" in document else NO_LIMITS
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the rehearsal's description lacks {error}") from error
        if service and service not in services:
            raise ValueError(f"the rehearsal's description has no service {service!r}")
        claims = sorted(
            ((module, s.name) for s in services.values() for module in s.modules if ":" not in module),
            key=lambda claim: -len(claim[0]),
        )
        return cls(
            service=service,
            token=token,
            stack=stack,
            packages=packages,
            services=services,
            main_service=main_service,
            policy=policy,
            reports=_path((document.get("reports") or {}).get(service)),
            links=dict((document.get("links") or {}).get(service, {})),
            faults=_path(document.get("faults")),
            copied=tuple(document.get("copied") or ()),
            local_functions=frozenset(document.get("local_functions") or ()),
            adapted=frozenset(document.get("adapted") or ()),
            changing_functions=frozenset(document.get("changing_functions") or ()),
            functions=frozenset(document.get("functions") or ()),
            by_reference=tuple(document.get("by_reference") or ()),
            sends_back=bool(document.get("send_back", True)),
            batch=int(document.get("batch") or 100),
            adapters=dict(document.get("adapt") or {}),
            database_functions=None
            if document.get("database_functions") is None
            else frozenset(document["database_functions"]),
            endpoint_header=str(document.get("endpoint_header") or "").lower(),
            boundaries=tuple(sorted(boundaries, key=len, reverse=True)),
            depth=depth,
            claims=tuple(claims),
        )

    @classmethod
    def from_environment(cls) -> Config:
        """Read what ``SPLITCOST_REHEARSAL`` and ``SPLITCOST_SERVICE`` name."""
        document = json.loads(Path(os.environ["SPLITCOST_REHEARSAL"]).read_text(encoding="utf-8"))
        modules = os.environ.get("SPLITCOST_MODULES", "")
        boundaries = tuple(name.strip() for name in modules.split(",") if name.strip())
        depth = int(os.environ.get("SPLITCOST_DEPTH") or 0) or None
        return cls.from_dict(document, os.environ["SPLITCOST_SERVICE"], boundaries, depth)

    def owner(self, module: str) -> str | None:
        """Return the service that owns a module, or ``None`` for one outside the app's packages.

        Of a copied module each service owns its copy; in a loopback nobody owns the only one, nor tests.
        """
        if self.is_loopback and _is_test(module):
            return None
        if any(_within(module, name) for name in self.copied):
            return self.service or None
        for claimed, service in self.claims:
            if _within(module, claimed):
                return service
        known = (*self.packages, *self.boundaries)
        return self.main_service if any(_within(module, name) for name in known) else None

    @property
    def is_loopback(self) -> bool:
        """Return if this process is all services, which call each other in it."""
        return not self.service

    def serves(self, module: str) -> bool:
        """Return if this process answers calls of functions of a module."""
        owner = self.owner(module)
        return owner == self.service or (self.is_loopback and owner is not None)

    def is_remote(self, module: str, qualname: str) -> bool:
        """Return if calls of a function are made remotely: in a loopback, methods of every object that has a name."""
        _, dot, name = qualname.rpartition(".")
        if self.is_loopback and dot and "<" not in qualname:
            return not name.startswith("__") or name in _CALLED_BY_SYNTAX
        return not self.functions.isdisjoint((f"{module}:{qualname}", f"{self.boundary(module)}:{qualname}"))

    def boundary(self, module: str, qualname: str = "", namespace: dict[str, Any] | None = None) -> str:
        """Return the module that a function belongs to, as the recorder names it.

        ``namespace`` are the globals of the function, which show what its class is derived from.
        """
        code = f"{module}:{qualname}" if qualname else module
        named = next((name for name in self.boundaries if _within(code, name)), None)
        if named is None or ":" not in named:
            named = self._class_around(module, qualname, namespace or {}) or named
        if named is not None:
            return named
        package = max((name for name in self.packages if _within(module, name)), key=len, default=module)
        parts = package.count(".") + 1
        return ".".join(module.split(".")[: max(self.depth or parts + 1, parts)])

    def _class_around(self, module: str, qualname: str, namespace: dict[str, Any]) -> str | None:
        """Return the named class of the same file that the class of a method is derived from."""
        classes = [name for name in self.boundaries if name.startswith(module + ":")]
        found = None
        scope: Any = namespace
        for name in qualname.partition(".<locals>")[0].split(".")[:-1] if classes else ():
            kind = scope.get(name)
            if not isinstance(kind, type):
                break
            bases = [
                f"{module}:{base.__qualname__}" for base in kind.__mro__ if base.__module__ == kind.__module__
            ]
            owners = (owner for base in bases for owner in classes if _within(base, owner))
            found = next(owners, found)
            scope = vars(kind)
        return found


def _service(name: str, table: dict[str, Any]) -> Service:
    return Service(name=name, rpc_port=int(table["rpc_port"]), modules=tuple(table["modules"]))


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _policy(table: dict[str, Any]) -> Policy:
    """Read the table; a ``timeout_millis``, ``budget`` or ``connections`` of ``null`` sets no limit."""
    timeout = table["timeout_millis"]
    return Policy(
        timeout_secs=NO_TIMEOUT_SECS if timeout is None else timeout / 1000,
        retries=int(table["retries"]),
        backoff_secs=table["backoff_millis"] / 1000,
        budget=table["budget"],
        budget_tokens=float(table["budget_tokens"]),
        connections=table["connections"],
    )


def _is_test(module: str) -> bool:
    """Return if a module, or a package around it, is named as pytest and Django name tests."""
    names = ("test", "tests", "conftest")
    return any(
        part in names or part.startswith("test_") or part.endswith("_test") for part in module.split(".")
    )


def _within(module: str, name: str) -> bool:
    return module == name or module.startswith((name + ".", name + ":"))
