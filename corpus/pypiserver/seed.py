"""Fills a directory with 300 small source packages of 60 projects: `python seed.py packages`."""

import random
import sys
from pathlib import Path

PROJECTS, VERSIONS = 60, 5

draw = random.Random(7)
packages = Path(sys.argv[1])
packages.mkdir()
for project in range(PROJECTS):
    for version in range(VERSIONS):
        (packages / f"project{project}-1.{version}.tar.gz").write_bytes(
            draw.randbytes(draw.randint(500, 5_000))
        )
