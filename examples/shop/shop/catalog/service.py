"""Finding articles."""

from collections.abc import Iterable

from sqlmodel import Session, col, select

from shop.catalog.models import Category, Product
from shop.catalog.schemas import ProductCard, ProductRead
from shop.db import async_session, sync_session
from shop.errors import NotFound

PAGE_SIZE = 20


def get_product(product_id: int) -> ProductRead:
    """One article, or `NotFound`."""
    with sync_session() as session:
        product = session.get(Product, product_id)
    if product is None:
        raise NotFound("product", product_id)
    return ProductRead.model_validate(product)


async def fetch_product(product_id: int) -> ProductRead:
    """One article, or `NotFound`, without holding a thread."""
    async with async_session() as session:
        product = await session.get(Product, product_id)
    if product is None:
        raise NotFound("product", product_id)
    return ProductRead.model_validate(product)


def list_page(category: Category | None, page: int) -> list[ProductCard]:
    """One page of articles, of one category or of all."""
    query = select(Product).order_by(col(Product.id)).limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE)
    if category is not None:
        query = query.where(Product.category == category)
    with sync_session() as session:
        return [_card(product) for product in session.exec(query)]


def products_by_id(session: Session, product_ids: Iterable[int]) -> dict[int, Product]:
    """Articles in the caller's transaction; a missing one is `NotFound`."""
    wanted = set(product_ids)
    rows = session.exec(select(Product).where(col(Product.id).in_(wanted))).all()
    found = {product.id: product for product in rows if product.id is not None}
    for product_id in sorted(wanted - found.keys()):
        raise NotFound("product", product_id)
    return found


async def recommendations(category: Category, count: int) -> list[ProductCard]:
    """The most expensive articles of a category: what a shop likes to recommend."""
    query = (
        select(Product)
        .where(Product.category == category)
        .order_by(col(Product.list_price).desc(), col(Product.id))
        .limit(count)
    )
    async with async_session() as session:
        return [_card(product) for product in await session.exec(query)]


def _card(product: Product) -> ProductCard:
    return ProductCard.model_validate(product, from_attributes=True, extra="ignore")
