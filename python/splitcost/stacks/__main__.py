"""``python -m splitcost.stacks``: what there is, one server, or one client.

- ``[--json]``: which stacks, clients, servers and codecs this environment can run, with their versions.
- ``serve --server NAME [--transport T] [--codec NAME] [--function MODULE:FUNCTION] [--sample FILE]``: serve
  until stdin ends; the first line on stdout tells ``{"url": …, "pid": the process that serves}``.
- ``drive``: answer one question a line, see :mod:`splitcost.stacks.drive`.

Both sides want the run's token in ``SPLITCOST_TOKEN``; it is the line of every call.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from splitcost import stacks


def main() -> int:
    """Do what was asked."""
    parser = argparse.ArgumentParser(prog="python -m splitcost.stacks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    verbs = parser.add_subparsers(dest="verb")
    serve = verbs.add_parser("serve")
    serve.add_argument("--server", required=True)
    serve.add_argument("--transport", help="default: the server's first")
    serve.add_argument("--codec", default="orjson")
    serve.add_argument("--function", default="", metavar="MODULE:FUNCTION", help="default: echo")
    serve.add_argument("--sample", type=Path, help="JSON file: a value of the shape")
    verbs.add_parser("drive")
    options = parser.parse_args()
    if options.verb is None:
        tell(options.json)
        return 0
    token = os.environ.get("SPLITCOST_TOKEN", "")
    if not token:
        parser.error("SPLITCOST_TOKEN must hold the run's token")
    from splitcost.stacks import drive, service

    service.die_with_parent()
    try:
        if options.verb == "drive":
            return drive.run(token)
        transport = options.transport or stacks.find("servers", options.server).TRANSPORTS[0]
        sample = json.loads(options.sample.read_text()) if options.sample else None
        called = service.Service(token, options.codec, options.function, sample)
        return service.run(options.server, transport, called)
    except (ImportError, AttributeError, ValueError, TypeError, OSError) as error:
        print(f"splitcost: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def told(kind: str, name: str) -> dict[str, Any]:
    """What there is to know of one file."""
    module = importlib.import_module(f"splitcost.stacks.{kind}.{name}")
    found = {
        "name": name,
        "summary": (module.__doc__ or "").partition("\n")[0],
        "missing": stacks.lacks(module.NEEDS),
        "versions": stacks.versions_of(module.NEEDS),
    }
    if kind != "codecs":
        found |= {"transports": module.TRANSPORTS, "awaits": module.AWAITS}
    if kind == "clients":
        found["per_call"] = getattr(module, "PER_CALL", False)
    return found


def tell(as_json: bool) -> None:
    """Print what is there."""
    found = [
        {
            "name": name,
            "available": not stacks.missing(name),
            "missing": stacks.missing(name),
            "versions": stacks.versions(name),
        }
        for name in stacks.NAMES
    ]
    kinds = ("clients", "servers", "codecs")
    files = {kind: [told(kind, name) for name in stacks.names(kind)] for kind in kinds}
    if as_json:
        json.dump({"python_version": platform.python_version(), "stacks": found, **files}, sys.stdout)
        print()
        return
    for kind, entries in {"stacks": found, **files}.items():
        print(f"{kind}:")
        for entry in entries:
            parts = ", ".join(f"{name} {version}" for name, version in dict(entry["versions"]).items())  # type: ignore[call-overload]
            absent = entry["missing"]
            print(f"  {entry['name']}: {'pip install ' + ' '.join(absent) if absent else parts}")  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
