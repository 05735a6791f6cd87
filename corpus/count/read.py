"""Prints the calls and endpoints of a recording as JSON: `read.py RECORDING BEGIN_NANOS END_NANOS`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as parquet

recording, begin, end = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


def rows(name: str, columns: list[str]) -> list[dict[str, object]]:
    """Return these columns of a file."""
    found: list[dict[str, object]] = parquet.read_table(
        recording / f"{name}.parquet", columns=columns
    ).to_pylist()
    return found


inside = {
    row["request"]: row["endpoint"]
    for row in rows("requests", ["request", "endpoint", "start_nanos"])
    if begin <= int(str(row["start_nanos"])) <= end
}
calls: Counter[tuple[str, str, str]] = Counter()
for row in rows("calls", ["request", "caller_module", "callee_module", "function", "via"]):
    callee = str(row["callee_module"])
    if row["request"] not in inside or callee.startswith("("):
        continue
    # The profile function sees no caller behind a task or a thread.
    caller = str(row["caller_module"])
    apart = caller.startswith("(") or row["via"] != "inline" or caller == callee
    calls["" if apart else caller, callee, str(row["function"])] += 1
endpoints = sorted({str(endpoint) for endpoint in inside.values()})
print(json.dumps({"endpoints": endpoints, "calls": [[*key, count] for key, count in calls.items()]}))
