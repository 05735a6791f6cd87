"""Each check passes sessions and the like to the other module, which obtains its own."""
import asyncio
import logging
import os
import threading

from sqlalchemy import text
from sqlmodel import Session, create_engine, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import db, kinds, vault

CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


def stored(title):
    """The number of books of that title that are committed."""
    with Session(db.engine) as session:
        return len(session.exec(select(kinds.Book).where(kinds.Book.title == title)).all())


def put(title, **fields):
    with Session(db.engine, expire_on_commit=False) as session:
        book = kinds.Book(title=title, **fields)
        session.add(book)
        session.commit()
        return book


def elsewhere(pid):
    assert pid != os.getpid(), "it ran here"
    return True


def here(pid):
    assert pid == os.getpid(), "it crossed"
    return True


@check
def commits_at_the_end():
    before = stored("new")
    with db.LocalSession() as session:
        book = vault.add(session, "new")
    assert book.id is not None and book.title == "new" and book.sold == 0
    assert stored("new") == before + 1


@check
def rolls_back_what_failed():
    with db.LocalSession() as session:
        try:
            vault.add_and_fail(session, "failed")
        except kinds.Unsold as error:
            assert str(error) == "failed"
        else:
            raise AssertionError("it returned")
    assert stored("failed") == 0


@check
def is_made_by_the_maker_of_that_name():
    with db.LocalSession() as session:
        facts = vault.facts(session)
    assert elsewhere(facts.pop("pid"))
    assert facts == {"class": "sqlmodel.orm.session.Session", "engine": True, "autoflush": False, "expire": True}, facts


@check
def has_the_engine_that_the_callee_keeps_where_no_name_leads():
    with Session(db.kept_engine()) as session:
        is_of_kept_engine, pid = vault.is_of_kept_engine(session)
    assert is_of_kept_engine and elsewhere(pid)


@check
def has_class_and_options_of_the_callers():
    with Session(db.engine, expire_on_commit=False) as session:
        facts = vault.facts(session)
    assert elsewhere(facts.pop("pid"))
    assert facts["engine"] and facts["autoflush"] and not facts["expire"], facts


@check
def has_an_engine_of_the_same_url():
    nameless = create_engine(db.engine.url)
    with Session(nameless) as session:
        facts = vault.facts(session)
        assert elsewhere(facts["pid"]) and facts["engine"], "it has an engine of this URL"
        vault.add(session, "by url")
    assert stored("by url") == 1


@check
def is_one_for_one():
    with db.LocalSession() as one, db.LocalSession() as other:
        assert vault.same(one, one)[0] and not vault.same(one, other)[0]
        assert elsewhere(vault.same(one, other)[1])


@check
def is_adapted_in_a_service_object():
    with db.LocalSession() as session:
        library = kinds.Library(session)
        assert elsewhere(vault.fill(library, "by library"))
        assert library.added == 1 and library.session is session
    assert stored("by library") == 1


@check
def is_that_of_a_registry():
    assert elsewhere(vault.count(db.registry)[1])
    assert elsewhere(vault.count(db.registry())[1])
    db.registry.remove()


@check
def rows_are_attached():
    with Session(db.engine) as session:
        shelf = kinds.Shelf(name="top")
        session.add(shelf)
        session.commit()
        shelf_id = shelf.id
    book = put("attached", shelf_id=shelf_id)
    with db.LocalSession() as session:
        mine = session.get(kinds.Book, book.id)
        name, pid = vault.shelf_of(session, mine)
        assert name == "top" and elsewhere(pid)
        assert elsewhere(vault.sell(session, mine))
        assert mine.sold == 1, mine.sold
        assert elsewhere(vault.remove(session, mine))
    assert stored("attached") == 0


@check
def new_rows_that_the_callee_wrote_are_the_callers():
    shelf = kinds.Shelf(name="written", books=[kinds.Book(title="on the written shelf")])
    book = shelf.books[0]
    with db.LocalSession() as session:
        assert elsewhere(vault.put(session, shelf))
        session.refresh(shelf)
        assert shelf.books == [book] and book.shelf is shelf and book.shelf_id == shelf.id
        book.title = "renamed on the written shelf"
        session.commit()
    assert (stored("on the written shelf"), stored("renamed on the written shelf")) == (0, 1)


@check
async def async_new_rows_that_the_callee_wrote_are_the_callers():
    book = kinds.Book(title="written later")
    async with db.AsyncLocalSession() as session:
        assert elsewhere(await vault.put_later(session, book))
        await session.refresh(book)
        book.title = "renamed later"
        await session.commit()
    assert (stored("written later"), stored("renamed later")) == (0, 1)


@check
def new_rows_that_failed_are_new():
    book = kinds.Book(title="fails first")
    with db.LocalSession() as session:
        try:
            vault.put_and_fail(session, book)
        except kinds.Unsold:
            pass
        session.add(book)
        session.commit()
    assert stored("fails first") == 1


@check
def rows_of_results_are_in_the_callers_session():
    put("found")
    with db.LocalSession() as session:
        found = vault.find(session, "found")
        assert vault.find(session, "found") is found, "a session has one object for a row"
        found.title = "found and renamed"
        session.commit()
        shelf = vault.put_new(session, "new shelf")
        shelf.books[0].title = "found on the new shelf"
        session.commit()
        (book,), pid = vault.find_with_shelf(session, "found on the new shelf")
        assert elsewhere(pid) and book is shelf.books[0] and book.shelf is shelf
    assert (stored("found"), stored("found and renamed")) == (0, 1)
    assert (stored("new shelf"), stored("found on the new shelf")) == (0, 1)


@check
def rows_of_results_are_in_the_session_that_the_request_uses():
    put("found implicitly")
    try:
        db.registry.connection()
        found = vault.find_implicitly("found implicitly")
        found.title = "found implicitly and renamed"
        db.registry.commit()
    finally:
        db.registry.remove()
    assert (stored("found implicitly"), stored("found implicitly and renamed")) == (0, 1)


@check
def a_registry_is_a_session():
    put("by registry")
    try:
        found = vault.find_in(db.registry, "by registry")
        found.title = "by registry and renamed"
        assert here(vault.log(db.registry, "after an uncommitted change"))
        db.registry.commit()
        assert elsewhere(vault.log(db.registry, "after the commit"))
    finally:
        db.registry.remove()
    assert (stored("by registry"), stored("by registry and renamed")) == (0, 1)
    assert (stored("after an uncommitted change"), stored("after the commit")) == (1, 1)


@check
def rows_without_a_session_are_in_that_of_the_registry():
    book = put("implicitly sold")
    mine = db.registry.get(kinds.Book, book.id)
    try:
        assert elsewhere(vault.retitle(mine, "implicitly retitled"))
        db.registry.commit()
        assert mine.title == "implicitly retitled"
    finally:
        db.registry.remove()
    assert (stored("implicitly sold"), stored("implicitly retitled")) == (0, 1)


@check
async def calls_at_the_same_time_change_one_object():
    """Each of them has a copy of its own: the last answer is what the caller has."""
    for _ in range(2):
        basket = kinds.Basket()
        assert await asyncio.gather(*(vault.grow(basket, n) for n in range(3))) == [1, 1, 1]
    assert len(basket.items) == 1


@check
async def variables_go_along():
    assert vault.variables()[:2] == ("nobody", None)
    kinds.tenant.set("acme")
    kinds.per_thread.name = "local"
    try:
        assert vault.variables()[:2] == ("acme", "local") and elsewhere(vault.variables()[2])
        # Tasks share their thread.
        assert (await vault.tenant_later())[:2] == ("acme", None)
    finally:
        del kinds.per_thread.name
    assert vault.variables()[:2] == ("acme", None)


@check
def an_object_that_the_other_side_alone_has_is_used_there():
    keeper = vault.keeper()
    keeper.asked = 5
    asked, pid = vault.asked(keeper)
    assert asked == 5 and elsewhere(pid)
    assert vault.keeper().asked == 5 and vault._keeper is None


@check
def a_context_manager_that_changes_what_it_gave_stays():
    with vault.noting() as notes:
        pass
    assert notes == ["begin"], "a copy"
    with vault.noting() as notes:
        pass
    assert notes == ["begin", "end"]


@check
def a_context_manager_that_gives_what_has_a_name_crosses():
    for _ in range(2):
        with vault.on_board() as board:
            assert board is vault.board
        assert board.notes == [], "the other process has its own"


@check
def a_session_in_a_context_variable_is_the_callees_own():
    with db.LocalSession() as session:
        token = kinds.session.set(session)
        try:
            assert elsewhere(vault.add_by_variable("by variable"))
        finally:
            kinds.session.reset(token)
    assert stored("by variable") == 1


@check
def callers_rows_are_read_again():
    book = put("read again")
    with db.LocalSession() as session:
        mine = session.get(kinds.Book, book.id)
        assert mine.sold == 0
        vault.sell_by_id(session, book.id)
        assert session.get(kinds.Book, book.id).sold == 1


@check
def lasts_as_long_as_batches():
    for n in range(5):
        put(f"item {n}")
    with db.LocalSession() as session:
        found = list(vault.titles(session))
    assert {f"item {n}" for n in range(5)} <= {title for title, _ in found}
    assert elsewhere(found[0][1])


@check
def commits_when_batches_end():
    before = stored("each 3")
    with db.LocalSession() as session:
        session.connection()
        pids = list(vault.add_each(session, ["each 1", "each 2", "each 3"]))
    assert elsewhere(pids[0])
    assert [stored(f"each {n}") for n in (1, 2, 3)] == [before + 1] * 3


@check
def commits_when_batches_are_left():
    with db.LocalSession() as session:
        for _ in vault.add_each(session, ["left 1", "left 2", "left 3", "left 4", "left 5"]):
            break
    assert stored("left 1") == 1


@check
async def last_as_long_as_contexts():
    before = stored("inside"), stored("inside later")
    with db.LocalSession() as session, vault.adding(session, "inside") as pid:
        assert elsewhere(pid) and stored("inside") == before[0]
    async with db.AsyncLocalSession() as session:
        async with vault.adding_later(session, "inside later") as pid:
            assert elsewhere(pid) and stored("inside later") == before[1]
    assert (stored("inside"), stored("inside later")) == (before[0] + 1, before[1] + 1)
    try:
        with db.LocalSession() as session, vault.adding(session, "inside, failed"):
            raise kinds.Unsold("in the caller")
    except kinds.Unsold:
        pass
    assert stored("inside, failed") == 0


@check
async def async_commits_at_the_end():
    async with db.AsyncLocalSession() as session:
        book = await vault.add_later(session, "later")
        assert book.id is not None and book.title == "later"
        titles, pid = await vault.books_later(session)
        assert "later" in titles and elsewhere(pid)
    async with AsyncSession(db.async_engine) as session:
        assert elsewhere((await vault.books_later(session))[1])


@check
async def async_rolls_back_what_failed():
    async with db.AsyncLocalSession() as session:
        try:
            await vault.add_later_and_fail(session, "failed later")
        except kinds.Unsold:
            pass
        else:
            raise AssertionError("it returned")
    assert stored("failed later") == 0


@check
async def connections():
    with db.engine.connect() as connection:
        before = stored("by connection")
        assert elsewhere(vault.pid_and_count(connection)[1])
        assert stored("by connection") == before + 1
    async with db.async_engine.connect() as connection:
        assert elsewhere(await vault.insert_by_connection(connection))
        assert stored("by connection") == before + 2


@check
def engines_and_makers():
    url, is_named, pid = vault.url_of(db.engine)
    assert is_named and elsewhere(pid)
    nameless = create_engine(db.engine.url)
    url, is_named, pid = vault.url_of(nameless)
    assert url == str(db.engine.url) and is_named and elsewhere(pid)
    autoflush, pid = vault.add_by(db.LocalSession, "by maker")
    assert not autoflush and elsewhere(pid) and stored("by maker") == 1
    from sqlalchemy.orm import sessionmaker

    autoflush, pid = vault.add_by(sessionmaker(nameless, class_=Session, autoflush=False), "by nameless maker")
    assert not autoflush and elsewhere(pid) and stored("by nameless maker") == 1


@check
def stays_with_a_database_in_memory():
    with Session(create_engine("sqlite://")) as session:
        assert here(vault.facts(session)["pid"])


@check
def stays_with_one_connection():
    with db.engine.connect() as connection, Session(connection) as session:
        assert here(vault.facts(session)["pid"])


@check
def is_cut_while_writes_are_uncommitted():
    with db.KeptSession() as session:
        assert elsewhere(vault.count(session)[1])
        session.add(kinds.Book(title="uncommitted"))
        # Not even flushed.
        assert here(vault.count(session)[1])
        session.flush()
        assert here(vault.count(session)[1])
        with db.LocalSession() as other:
            assert here(vault.count(other)[1])
        assert elsewhere(vault.where())
        session.rollback()
        assert elsewhere(vault.count(session)[1])
        session.add(kinds.Book(title="committed"))
        session.commit()
        assert elsewhere(vault.count(session)[1])


@check
def is_cut_with_fields_and_rows():
    book = put("row")
    with db.KeptSession() as session:
        mine = session.get(kinds.Book, book.id)
        assert elsewhere(vault.rows([mine])[1])
        session.add(kinds.Book(title="uncommitted"))
        session.flush()
        assert here(vault.fill(kinds.Library(session), "in a field"))
        assert here(vault.rows([mine])[1])
        session.rollback()


LOCKS = {
    "sqlite": [["BEGIN", "SELECT id FROM book"], ["BEGIN IMMEDIATE"]],
    "postgresql": [["SELECT id FROM book FOR UPDATE"], ["LOCK TABLE book IN SHARE ROW EXCLUSIVE MODE"]],
}


@check
def is_cut_while_a_lock_is_held():
    with db.engine.connect() as connection, db.LocalSession() as session:
        connection.execute(text("SELECT 1"))
        assert elsewhere(vault.count(session)[1])
        for statements in LOCKS[db.engine.dialect.name]:
            for statement in statements:
                connection.exec_driver_sql(statement)
            assert here(vault.count(session)[1])
            connection.rollback()
        assert elsewhere(vault.count(session)[1])


@check
async def async_is_cut_while_writes_are_uncommitted():
    async with db.AsyncLocalSession() as session:
        session.add(kinds.Book(title="uncommitted"))
        await session.flush()
        assert here((await vault.books_later(session))[1])
        await session.rollback()
        assert elsewhere((await vault.books_later(session))[1])


@check
def the_sessions_that_it_found_are_committed():
    assert elsewhere(vault.add_implicitly("implicit"))
    assert stored("implicit") == 1
    try:
        vault.add_implicitly_and_fail("implicit, failed")
    except kinds.Unsold:
        pass
    assert stored("implicit, failed") == 0
    # Transactions that only read are ended as well: the next one sees what was written since.
    assert "implicit" in vault.read_implicitly()[0]
    put("since")
    for _ in range(3):
        assert "since" in vault.read_implicitly()[0]


@check
def by_the_settings():
    assert vault.note(db.Ledger("mine"))[0] == "of the callee"
    assert elsewhere(vault.note(db.Ledger("mine"))[1])
    assert vault.made()[:2] == ["open", "closed"], vault.made()
    try:
        vault.note_and_fail(db.Ledger("mine"))
    except kinds.Unsold as error:
        assert str(error) == "of the callee"
    assert vault.made()[-2:] == ["Unsold('of the callee')", "closed"], vault.made()


@check
def by_what_the_settings_name():
    """A session by a context manager, which is left with the exception; an object; a function."""
    with db.Special(db.engine) as session:
        vault.add(session, "special")
        assert vault.steps()[-2:] == ["entered", "left"]
        try:
            vault.add_and_fail(session, "special, failed")
        except kinds.Unsold:
            pass
        assert vault.steps()[-1] == "left by Unsold"
    assert (stored("special"), stored("special, failed")) == (1, 0)
    assert vault.note(db.Shared("mine"))[0] == "shared"
    assert vault.note(db.Closed("mine"))[0] == "made"
    assert vault.steps()[-1] == "closed"


@check
async def by_what_is_awaited():
    assert (await vault.note_later(db.Awaited("mine")))[0] == "awaited"
    assert elsewhere((await vault.note_later(db.Awaited("mine")))[1])
    assert (await vault.note_later(db.Generated("mine")))[0] == "generated"
    assert vault.steps()[-1] == "generated and closed"
    assert (await vault.note_later(db.Ledger("mine")))[0] == "of the callee"


@check
def loggers_go_by_their_names():
    assert vault.log_by(logging.getLogger("app.some"))[0] == "app.some"
    assert elsewhere(vault.log_by(logging.getLogger("app.some"))[1])
    assert vault.logger() is logging.getLogger("of the vault")
    adapter = logging.LoggerAdapter(logging.getLogger("app.some"), {"user": 1})
    assert vault.extra_of(adapter)[0] == ["app.some", {"user": 1}]
    assert elsewhere(vault.extra_of(adapter)[1])


@check
def locks_stay():
    assert here(vault.same(threading.Lock(), 1)[1])


@check
async def requests_of_starlette():
    from starlette.requests import Request

    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    scope = {
        "type": "http", "method": "POST", "path": "/a", "headers": [(b"x-asked", b"yes")], "query_string": b"arg=1",
        "state": {"tenant": "acme", "lock": threading.Lock()}, "extensions": {}, "router": object(), "app": db.app,
    }
    request = Request(scope, receive)
    found = await vault.read_request(request)
    assert elsewhere(found.pop("pid"))
    assert found == {
        "path": "/a", "arg": "1", "header": "yes", "tenant": "acme", "lock": False, "app": True,
        "body": "the body of this request was not read before the call to another service",
    }, found
    await request.body()
    assert (await vault.read_request(request))["body"] == {}
