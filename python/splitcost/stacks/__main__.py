"""``python -m splitcost.stacks``: lists the stacks and their parts, or runs one server, or one client.

- ``[--json]``: list the stacks, clients, servers and codecs, with their versions or missing packages.
- ``serve --server NAME [--transport T] [--codec NAME] [--function MODULE:FUNCTION] [--sample FILE]``: serve
  until stdin ends; the first line on stdout is ``{"url": …, "pid": the process that serves}``.
- ``drive``: answer one question per line, see :mod:`splitcost.stacks.drive`.

Both sides want the run's token in ``SPLITCOST_TOKEN``; it is the line of every call.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from splitcost import stacks


def main() -> int:
    """Run the verb, or list everything."""
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
        show(options.json)
        return 0
    token = os.environ.get("SPLITCOST_TOKEN", "")
    if not token:
        parser.error("SPLITCOST_TOKEN must hold the run's token")
    from splitcost.stacks import drive, service

    service.die_with_parent()
    try:
        if options.verb == "drive":
            return drive.run(token)
        transport = options.transport or stacks.find_server(options.server).transports[0]
        sample = json.loads(options.sample.read_text()) if options.sample else None
        called = service.Service(token, options.codec, options.function, sample)
        return service.run(options.server, transport, called)
    except (ImportError, AttributeError, ValueError, TypeError, OSError) as error:
        print(f"splitcost: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def describe_stack(name: str) -> dict[str, Any]:
    """Return the description of a rehearsal's stack."""
    absent = stacks.missing(name)
    return {"name": name, "available": not absent, "missing": absent, "versions": stacks.versions(name)}


def describe_part(name: str, part: stacks.Part) -> dict[str, Any]:
    """Return the description of a client, a server or a codec."""
    found: dict[str, Any] = {
        "name": name,
        "summary": part.summary,
        "missing": stacks.lacks(part.needs),
        "versions": stacks.versions_of(part.needs),
    }
    if isinstance(part, stacks.ClientPart | stacks.ServerPart):
        found |= {"transports": part.transports, "awaits": part.awaits}
    if isinstance(part, stacks.ClientPart):
        found["per_call"] = part.per_call
    return found


def show(as_json: bool) -> None:
    """Print all stacks and parts."""
    kinds: dict[str, list[dict[str, Any]]] = {
        "stacks": [describe_stack(name) for name in stacks.NAMES],
        "clients": [describe_part(name, part) for name, part in stacks.client_parts().items()],
        "servers": [describe_part(name, part) for name, part in stacks.server_parts().items()],
        "codecs": [describe_part(name, part) for name, part in stacks.codec_parts().items()],
    }
    if as_json:
        constants = {"python_version": platform.python_version(), "max_body_bytes": stacks.MAX_BODY_BYTES}
        print(json.dumps({**constants, **kinds}))
        return
    for kind, entries in kinds.items():
        print(f"{kind}:")
        for entry in entries:
            versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
            absent = " ".join(entry["missing"])
            print(f"  {entry['name']}: {f'pip install {absent}' if absent else versions}")


if __name__ == "__main__":
    sys.exit(main())
