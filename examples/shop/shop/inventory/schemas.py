"""HTTP bodies of the inventory."""

from pydantic import BaseModel, Field


class StockChange(BaseModel):
    """A correction of a stock."""

    delta: int = Field(ge=-100, le=10_000)
    reason: str = Field(min_length=3, max_length=80)
