"""Which service this process is, who owns which module, and where the others answer."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splitcost.rehearsal.policy import NO_TIMEOUT_SECS, Policy

MAIN = "main"


@dataclass(frozen=True)
class Service:
    """One service of the split: its ports on loopback and the modules it claims."""

    name: str
    http_port: int
    rpc_port: int
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """The rehearsal as one service sees it."""

    service: str
    token: str
    stack: str
    packages: tuple[str, ...]
    services: dict[str, Service]
    policy: Policy = field(default_factory=Policy)
    links: dict[str, str] = field(default_factory=dict)
    """Service → the address of the emulated link that leads there, where there is one."""
    faults: Path | None = None
    keep_local: tuple[str, ...] = ()
    local_functions: frozenset[str] = frozenset()
    report_dir: Path | None = None
    boundaries: tuple[str, ...] = ()
    claims: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def from_dict(cls, document: dict[str, Any], service: str, boundaries: tuple[str, ...] = ()) -> Config:
        """Read the rehearsal's JSON document. Raises ``ValueError`` naming what is missing or wrong."""
        try:
            services = {
                name: Service(
                    name, int(s["http_port"]), int(s.get("rpc_port") or 0), tuple(s.get("modules", ()))
                )
                for name, s in document["services"].items()
            }
            packages = document.get("packages") or [document["package"]]
            token, stack = str(document["token"]), str(document["stack"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the rehearsal's description lacks {error}") from error
        if service not in services:
            raise ValueError(f"the rehearsal's description has no service {service!r}")
        claims = sorted(
            ((module, s.name) for s in services.values() for module in s.modules),
            key=lambda claim: -len(claim[0]),
        )
        report_dir, faults = document.get("report_dir"), document.get("faults")
        return cls(
            service=service,
            token=token,
            stack=stack,
            packages=tuple(packages),
            services=services,
            policy=_policy(document.get("policy") or {}),
            links=dict((document.get("links") or {}).get(service, {})),
            faults=Path(faults) if faults else None,
            keep_local=tuple(document.get("keep_local") or ()),
            local_functions=frozenset(document.get("local_functions") or ()),
            report_dir=Path(report_dir) if report_dir else None,
            boundaries=tuple(sorted(boundaries, key=len, reverse=True)),
            claims=tuple(claims),
        )

    @classmethod
    def from_environment(cls) -> Config:
        """Read what ``SPLITCOST_REHEARSAL`` and ``SPLITCOST_SERVICE`` name."""
        document = json.loads(Path(os.environ["SPLITCOST_REHEARSAL"]).read_text(encoding="utf-8"))
        modules = os.environ.get("SPLITCOST_MODULES", "")
        boundaries = tuple(name.strip() for name in modules.split(",") if name.strip())
        return cls.from_dict(document, os.environ["SPLITCOST_SERVICE"], boundaries)

    def owner(self, module: str) -> str | None:
        """The service that owns a module, or ``None`` for one outside the app's packages."""
        for claimed, service in self.claims:
            if _within(module, claimed):
                return service
        return MAIN if any(_within(module, package) for package in self.packages) else None

    def boundary(self, module: str) -> str:
        """The boundary module a module belongs to, as the recorder names it."""
        for name in self.boundaries:
            if _within(module, name):
                return name
        for package in self.packages:
            if module.startswith(package + "."):
                return package + "." + module[len(package) + 1 :].split(".", 1)[0]
        return module

    def is_kept_local(self, module: str) -> bool:
        """Whether the user lets this module's functions run in the caller where they cannot cross."""
        return any(_within(module, name) for name in self.keep_local)


def _policy(table: dict[str, Any]) -> Policy:
    """Read ``timeout_millis`` (``null``: none), ``retries``, ``backoff_millis``, ``budget``
    and ``connections``."""
    timeout = table.get("timeout_millis", 10_000)
    return Policy(
        timeout_secs=NO_TIMEOUT_SECS if timeout is None else timeout / 1000,
        retries=int(table.get("retries", 0)),
        backoff_secs=table.get("backoff_millis", 100) / 1000,
        budget=table.get("budget"),
        connections=table.get("connections"),
    )


def _within(module: str, name: str) -> bool:
    return module == name or module.startswith(name + ".")
