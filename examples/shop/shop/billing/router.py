"""HTTP side of the billing module."""

from fastapi import APIRouter, Response

from shop.billing import service

router = APIRouter(tags=["billing"])


@router.get("/orders/{order_id}/invoice", response_class=Response)
async def read_invoice(order_id: int) -> Response:
    """The invoice of an order as PDF."""
    return Response(await service.document_of(order_id), media_type="application/pdf")
