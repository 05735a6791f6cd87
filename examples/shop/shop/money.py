"""The types of an amount of money in tables and schemas."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

CENT = Decimal("0.01")
ZERO = Decimal("0.00")

Money = Annotated[Decimal, Field(max_digits=12, decimal_places=2)]
