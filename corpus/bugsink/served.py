"""Settings of Bugsink for this corpus: as its template for one server has them, without mail and network."""

import os
from pathlib import Path

from bugsink.settings.default import *  # noqa: F403
from bugsink.settings.default import DATABASES

HOME = Path(os.environ["BUGSINK_HOME"])

SECRET_KEY = "corpus, not secret: every copy of the app holds the same made-up data"
DATABASES["default"]["NAME"] = HOME / "db.sqlite3"
DATABASES["snappea"]["NAME"] = HOME / "snappea.sqlite3"
# Tasks run inside the request that asks for them, so that they are recorded as part of it.
SNAPPEA = {"TASK_ALWAYS_EAGER": True, "NUM_WORKERS": 1, "PID_FILE": None}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
BUGSINK = {
    "BASE_URL": "http://127.0.0.1:8000",
    "SINGLE_USER": False,
    "PHONEHOME": False,
    "INGEST_STORE_BASE_DIR": HOME / "ingestion",
    "MAX_EVENTS_PER_PROJECT_PER_5_MINUTES": 10_000_000,
    "MAX_EVENTS_PER_PROJECT_PER_HOUR": 10_000_000,
    "MAX_EVENTS_PER_PROJECT_PER_MONTH": 10_000_000,
    "MAX_EVENTS_PER_5_MINUTES": 10_000_000,
    "MAX_EVENTS_PER_HOUR": 10_000_000,
    "MAX_EVENTS_PER_MONTH": 10_000_000,
}
