"""Settings, read from the environment once at import."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that differ between deployments."""

    database: Path
    home_country: str = "DE"


settings = Settings(database=Path(os.environ.get("SHOP_DATABASE", "shop.db")))
