"""One request for each state of a transaction. What is named `kept_…` keeps its calls, as it has not committed."""

from fastapi import FastAPI

from ledger import audit
from ledger.db import AsyncSession, Entry, Session, current, engine

app = FastAPI()


@app.get("/ready")
async def ready():
    return "ready"


@app.get("/kept_flushed/{n}")
def kept_flushed(n: int):
    with Session() as session:
        session.add(Entry(amount=n))
        session.flush()
        found = audit.is_filled(session), audit.is_listed(), audit.stamp(n)
        session.commit()
    return found


@app.get("/kept_pending/{n}")
def kept_pending(n: int):
    with Session() as session:
        session.add(Entry(amount=n))
        # The first call flushes.
        found = audit.is_filled(session), audit.is_filled(session)
        session.commit()
    return found


@app.get("/kept_dirty/{n}")
def kept_dirty(n: int):
    with Session() as session:
        session.get(Entry, 1).amount += 1
        found = audit.is_filled(session)
        session.commit()
    return found


@app.get("/kept_awaited/{n}")
async def kept_awaited(n: int):
    async with AsyncSession() as session:
        session.add(Entry(amount=n))
        found = await audit.is_filled_async(session), await audit.is_filled_async(session)
        await session.commit()
    return found


@app.get("/kept_scoped/{n}")
def kept_scoped(n: int):
    current.add(Entry(amount=n))
    found = audit.is_found()
    current.commit()
    current.remove()
    return found


@app.get("/kept_core/{n}")
def kept_core(n: int):
    with engine.begin() as connection:
        connection.execute(Entry.__table__.insert().values(amount=n))
        return audit.is_listed()


@app.get("/read/{n}")
def read(n: int):
    with Session() as session:
        session.get(Entry, 1)
        return audit.is_filled(session)


@app.get("/same/{n}")
def same(n: int):
    with Session() as session:
        entry = session.get(Entry, 1)
        entry.amount = entry.amount + 0
        return audit.is_filled(session)


@app.get("/committed/{n}")
def committed(n: int):
    with Session() as session:
        session.add(Entry(amount=n))
        session.commit()
        return audit.is_filled(session)


@app.get("/rolled_back/{n}")
def rolled_back(n: int):
    with Session() as session:
        session.add(Entry(amount=n))
        session.flush()
        session.rollback()
        return audit.is_filled(session)


@app.get("/entered/{n}")
def entered(n: int):
    with Session() as session:
        # Its answer commits what it has written, in its own session.
        audit.enter(session, n)
        found = audit.is_filled(session)
        session.commit()
    return found
