"""A recording beside processes of others says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from apps_support import copied, splitcost

SPIN = "while True: pass"


def test_a_recording_beside_other_work_is_doubted(tmp_path: Path) -> None:
    copied("tariff", tmp_path)
    # They take what nothing else wants of every core.
    others = [
        subprocess.Popen(["nice", "-n", "19", sys.executable, "-c", SPIN]) for _ in range(os.cpu_count() or 1)
    ]
    try:
        recorded = splitcost(tmp_path, "record")
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert recorded.returncode == 0, recorded.stderr
    assert "blocks of the recording that were disturbed" in recorded.stderr
    assert "record again when nothing else runs" in recorded.stderr
    shown = splitcost(tmp_path, "show", "--format", "json")
    (trouble,) = [text for text in json.loads(shown.stdout)["troubles"] if "disturbed" in text]
    assert "used up to" in trouble
