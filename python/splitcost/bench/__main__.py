"""``python -m splitcost.bench codecs|call``: answers lines of JSON until stdin ends."""

from __future__ import annotations

import json
import os
import sys


def main() -> int:
    """Answer questions until stdin ends."""
    # What a user's function prints is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from splitcost.stacks.service import die_with_parent

    die_with_parent()
    if sys.argv[1:] == ["call"]:
        from splitcost.bench.call import FunctionBench as Half
    else:
        from splitcost.bench.codecs import CodecBench as Half  # type: ignore[assignment]
    half = Half()
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(half.answer(json.loads(line))), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
