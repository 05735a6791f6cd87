"""``python -m splitcost.calibration server|client --stack NAME [--server PORT] [--flask]``."""

from __future__ import annotations

import argparse
import os
import sys

from splitcost import stacks
from splitcost.stacks.service import die_with_parent


def main() -> int:
    """Run one side."""
    parser = argparse.ArgumentParser(prog="python -m splitcost.calibration", description=__doc__)
    parser.add_argument("side", choices=["server", "client"])
    parser.add_argument("--stack", required=True, choices=stacks.NAMES)
    parser.add_argument("--server", type=int, metavar="PORT", help="the port that the server printed")
    parser.add_argument("--flask", action="store_true", help="let each call carry a Flask request")
    options = parser.parse_args()
    token = os.environ.get("SPLITCOST_TOKEN", "")
    if not token:
        parser.error("SPLITCOST_TOKEN must hold the run's token")
    die_with_parent()
    try:
        if options.side == "server":
            from splitcost.calibration import server

            return server.run(options.stack, token, options.flask)
        if options.server is None:
            parser.error("a client needs --server")
        from splitcost.calibration import client

        return client.run(options.stack, token, options.server, options.flask)
    except ImportError as error:
        print(f"splitcost: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
