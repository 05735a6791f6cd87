"""``python -m splitcost.stacks [--json]``: which stacks this environment can run, and with which versions."""

from __future__ import annotations

import argparse
import json
import platform
import sys

from splitcost import stacks


def main() -> int:
    """Print what is there."""
    parser = argparse.ArgumentParser(prog="python -m splitcost.stacks", description=main.__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    found = [
        {
            "name": name,
            "available": not stacks.missing(name),
            "missing": stacks.missing(name),
            "versions": stacks.versions(name),
        }
        for name in stacks.NAMES
    ]
    if options.json:
        json.dump({"python_version": platform.python_version(), "stacks": found}, sys.stdout)
        print()
        return 0
    for stack in found:
        parts = ", ".join(f"{name} {version}" for name, version in dict(stack["versions"]).items())  # type: ignore[call-overload]
        absent = stack["missing"]
        print(f"{stack['name']}: {'pip install ' + ' '.join(absent) if absent else parts}")  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main())
