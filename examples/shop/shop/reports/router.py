"""HTTP side of the reports."""

from fastapi import APIRouter

from shop.reports import service
from shop.reports.schemas import SalesReport

router = APIRouter(prefix="/reports", tags=["reports"])


@router.get("/sales")
def read_sales_report() -> SalesReport:
    """The latest sales."""
    return service.sales_report()
