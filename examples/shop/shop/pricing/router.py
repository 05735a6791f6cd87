"""HTTP side of the price rules."""

from datetime import UTC, datetime

from fastapi import APIRouter, HTTPException

from shop.pricing import service
from shop.pricing.errors import UnknownCoupon
from shop.pricing.models import Coupon

router = APIRouter(prefix="/coupons", tags=["pricing"])


@router.get("/{code}")
def read_coupon(code: str) -> Coupon:
    """A coupon that is good today."""
    try:
        return service.find_coupon(code, datetime.now(UTC).date())
    except UnknownCoupon as error:
        raise HTTPException(404, str(error)) from error
