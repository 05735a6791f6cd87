"""The user of a request: the gateway in front has authenticated them and names them in a header."""

from typing import Annotated

from fastapi import Header

CurrentUserId = Annotated[int, Header(alias="x-user-id", ge=1)]
