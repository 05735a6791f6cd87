"""Rows of object-relational mappers arrive detached, with what was loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy
from bazaar import rows as r
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy
from splitcost import codec
from splitcost.codec.parts import Parts
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session, configure_mappers, joinedload, load_only, selectinload, undefer
from sqlalchemy.orm.exc import DetachedInstanceError


def sent(value: Any) -> Any:
    return codec.decode(codec.encode(value))


@pytest.fixture
def session() -> Iterator[Session]:
    engine = sqlalchemy.create_engine("sqlite://")
    r.Base.metadata.create_all(engine)
    with Session(engine) as session:
        customer = r.Customer(id=1, name="a", street="s", town="t", friend=r.Customer(id=2, name="b"))
        session.add(r.Order(id=1, customer=customer, lines=[r.Line(id=1), r.Line(id=2)], options={"a": 1}))
        session.add(r.RushOrder(id=2, hours=3, customer=customer))
        session.commit()
        session.expunge_all()
        yield session


def test_columns_go_along_and_nothing_more_is_loaded(session: Session) -> None:
    order = session.get(r.Order, 1)
    statements: list[str] = []
    sqlalchemy.event.listen(session.get_bind(), "before_cursor_execute", lambda *a: statements.append(a[2]))
    back = sent(order)
    assert not statements
    assert (type(back), back.id, back.kind, back.customer_id, back.label) == (
        r.Order,
        1,
        "order",
        1,
        "order 1",
    )
    assert inspect(back).detached and inspect(back).identity == (1,)
    assert type(back.options) is type(order.options) and back.options == {"a": 1}
    for unloaded in ("note", "customer", "lines"):
        with pytest.raises(DetachedInstanceError):
            getattr(back, unloaded)
    merged = session.merge(back)
    assert merged is order and not session.is_modified(order)


def test_expired_columns_are_loaded_and_deferred_ones_are_not(session: Session) -> None:
    order = session.get(r.Order, 1, options=[undefer(r.Order.note)])
    assert sent(order).note == "long"
    other = session.get(r.Order, 2)
    session.expire(other)
    back = sent(other)
    assert (type(back), back.hours) == (r.RushOrder, 3)
    assert "note" not in vars(back)


def test_loaded_relations_go_along_and_rows_around_are_the_same(session: Session) -> None:
    statement = (
        select(r.Order).options(selectinload(r.Order.lines), joinedload(r.Order.customer)).filter_by(id=1)
    )
    order = session.scalars(statement).one()
    back = sent([order])[0]
    assert [line.id for line in back.lines] == [1, 2]
    assert all(line.order is back for line in back.lines)
    assert (back.customer.name, back.customer.place) == ("a", r.Place("s", "t"))
    assert inspect(back.lines[0]).detached
    again = sent(back)
    assert again.lines[1].order is again


def test_rows_within_a_row_have_no_lists_and_end_somewhere(session: Session) -> None:
    order = session.get(r.Order, 1)
    assert order.customer.friend.orders == [] and len(order.customer.orders) == 2
    assert order.lines[0].order is order
    back = sent(order)
    assert back.customer.friend.name == "b"
    with pytest.raises(DetachedInstanceError):
        assert back.customer.orders
    line = sent(order.lines[0])
    assert line.order.customer.name == "a"
    with pytest.raises(DetachedInstanceError):
        assert line.order.customer.friend
    assert len(sent(order.customer).orders) == 2


def test_new_rows_stay_new_and_keep_what_was_set(session: Session) -> None:
    order = r.Order(kind="order", options={"b": 2})
    order.total = 3
    back = sent(order)
    assert inspect(back).transient
    assert (back.total, "id" in vars(back)) == (3, False)
    session.add(back)
    session.commit()
    assert session.get(r.Order, back.id).options == {"b": 2}


def test_new_rows_give_their_keys_to_new_rows_of_theirs(session: Session) -> None:
    customer = session.get(r.Customer, 1)
    back = sent(r.Order(kind="order", customer=customer, lines=[r.Line(), r.Line()]))
    session.expunge(customer)
    session.add(back)
    session.commit()
    assert back.customer_id == 1
    assert [line.order_id for line in back.lines] == [back.id] * 2


def test_new_rows_keep_sets_and_dictionaries_of_rows(session: Session) -> None:
    box = r.Box(tags={r.Tag(), r.Tag()}, labels={name: r.Label(name=name) for name in "ba"})
    back = sent(box)
    session.add(back)
    session.commit()
    assert type(back.tags) is type(box.tags) and [tag.box_id for tag in back.tags] == [back.id] * 2
    assert {name: label.box_id for name, label in back.labels.items()} == {"b": back.id, "a": back.id}
    # A set has another order at the other side, so that its rows have no numbers.
    mine, theirs = codec.Parts([box]), codec.Parts([sent(box)])
    assert [type(value) for value in mine.values] == [type(value) for value in theirs.values]
    assert [type(value) for value in mine.values] == [r.Box, r.Label, r.Label]


def test_columns_that_nobody_set_are_none_once_the_row_is_written(session: Session) -> None:
    order = r.Order(kind="order")
    session.add(order)
    session.flush()
    back = sent(order)
    assert inspect(back).detached
    # The default of the database is read, as where the row is.
    assert (
        (back.remark, back.amount, back.note) == (order.remark, order.amount, order.note) == (None, 5, "long")
    )
    deferred = session.scalars(select(r.Order).filter_by(id=1).options(load_only(r.Order.id))).one()
    for unloaded in ("remark", "amount"):
        with pytest.raises(DetachedInstanceError):
            getattr(sent(deferred), unloaded)


def test_every_way_of_mapping(session: Session) -> None:
    data = r.Data(id=7)
    assert (type(sent(data)), sent(data).amount) == (r.Data, 2)
    configure_mappers()
    classic = inspect(r.Classic).class_manager.new_instance()
    classic.name = "c"
    assert (type(sent(classic)), sent(classic).name) == (r.Classic, "c")
    former = r.Former(id=4)
    assert (type(sent(former)), sent(former).id) == (r.Former, 4)


def test_an_expired_row_without_a_session_cannot_cross(session: Session) -> None:
    order = session.get(r.Order, 1)
    session.expire(order)
    session.expunge(order)
    with pytest.raises(codec.CannotCross, match="live resource"):
        codec.encode([order])


def test_rows_of_a_result_keep_names_and_types(session: Session) -> None:
    row = session.execute(
        select(r.Order.id, r.Order, r.Order.kind.label("sort")).where(r.Order.id == 1)
    ).one()
    back = sent(row)
    assert type(back) is type(row) and back._fields == row._fields
    assert (back[0], back.Order.id, back.sort) == (1, 1, "order")
    mapping = sent(row._mapping)
    assert type(mapping) is type(row._mapping) and list(mapping) == ["id", "Order", "sort"]


def test_loading_is_no_change_and_changing_is_one(session: Session) -> None:
    order = session.get(r.Order, 1)
    parts = codec.Parts([[order, order]])
    assert order.lines and order.note
    assert not parts.changed()
    order.kind = "changed"
    assert [path for _, _, path in parts.changed()] == ["[0][0].kind", "[0][1].kind"]
    parts = codec.Parts([order])
    order.seen = 1
    assert [path for _, _, path in parts.changed()] == ["[0].seen"]


def test_changes_of_a_row_are_given_to_another(session: Session) -> None:
    order = session.get(r.Order, 1)
    mine, theirs = codec.Parts([order]), codec.Parts([sent(order)])
    theirs.values[0].kind, theirs.values[0].seen = "changed", True
    inspect(theirs.values[0])._commit_all(
        theirs.values[0].__dict__
    )  # As a session does when it has written it.
    ((number, content, _),) = theirs.changed()
    mine.restore(number, *content)
    assert (order.kind, order.seen) == ("changed", True)
    assert order not in session.dirty  # The other side has written it.


def test_changes_that_nobody_wrote_are_to_be_written(session: Session) -> None:
    order, other = session.get(r.Order, 1), session.get(r.Order, 2)
    mine, theirs = codec.Parts([order, other]), codec.Parts([sent(order), sent(other)])
    theirs.values[0].kind = "changed"
    ((number, content, _),) = theirs.changed()
    mine.restore(number, *content)
    assert order in session.dirty and other not in session.dirty
    session.commit()
    assert session.scalar(select(r.Order.kind).where(r.Order.id == 1)) == "changed"


def test_new_rows_are_parts_with_the_new_rows_that_they_have(session: Session) -> None:
    order = r.Order(kind="order", lines=[r.Line(), r.Line()], customer=r.Customer(name="c", orders=[]))
    mine, theirs = codec.Parts([order]), codec.Parts([sent(order)])
    assert [type(value) for value in mine.values] == [type(value) for value in theirs.values]
    assert len(mine.values) == 4
    session.add(theirs.values[0])
    session.commit()
    for value in theirs.values:
        session.refresh(value)
    for number, content, _ in theirs.changed():
        mine.restore(number, *content)
    assert all(inspect(value).detached for value in mine.values)
    assert order.customer_id == order.customer.id is not None
    assert [line.order_id for line in order.lines] == [order.id] * 2


@pytest.fixture(scope="module")
def tables() -> None:
    from django.contrib.contenttypes.models import ContentType

    with connection.schema_editor() as editor:
        for model in (r.Town, r.Person, r.Clerk, ContentType, User):
            editor.create_model(model)


@pytest.fixture
def clerk(tables: None) -> Iterator[Any]:
    town = r.Town.objects.create(name="t")
    clerk = r.Clerk.objects.create(name="a", town=town, desk=3)
    yield clerk
    clerk.delete()


def test_a_row_of_django_arrives_as_it_was_loaded(clerk: Any) -> None:
    row = r.Boss.objects.only("name", "desk").annotate(twice=r.models.F("desk") * 2).get()
    row.seen = True
    with connection.execute_wrapper(_refuse):
        back = sent(row)
        assert (type(back), back.pk, back.name, back.desk, back.twice, back.seen) == (
            r.Boss,
            clerk.pk,
            "a",
            3,
            6,
            True,
        )
    assert back.get_deferred_fields() == row.get_deferred_fields()
    assert (back._state.db, back._state.adding) == ("default", False)
    back.name = "b"
    back.save()
    assert r.Clerk.objects.get().name == "b"
    assert back.town.name == "t"


def _refuse(*_args: Any) -> None:
    raise AssertionError("a statement")


def test_no_constructor_runs() -> None:
    row = r.Person(name="a")
    del row.made_by_init
    assert "made_by_init" not in vars(sent(row))


def test_relations_of_django_that_are_loaded_go_along(clerk: Any) -> None:
    row = r.Clerk.objects.select_related("town").get()
    with connection.execute_wrapper(_refuse):
        assert sent(row).town.name == "t"
    plain = r.Clerk.objects.get()
    parts = codec.Parts([plain])
    assert plain.town.name == "t"
    assert not parts.changed()
    plain.name = "b"
    assert [path for _, _, path in parts.changed()] == ["[0].name"]


@pytest.mark.parametrize("is_made", [True, False])
def test_a_lazy_object_of_django_is_one_part_of_a_message(is_made: bool) -> None:
    made: list[Any] = []
    lazy = SimpleLazyObject(lambda: made.append(1) or r.Person(name="a"))
    assert not is_made or lazy.name == "a"
    message = [[lazy, ["changed"]]]
    back = sent(message)
    assert (type(back[0][0]), back[0][0].name, len(made)) == (r.Person, "a", 1)
    ours, theirs = Parts(message), Parts(back)
    assert len(ours.values) == len(theirs.values) == 3
    theirs.values[2].append("more")
    ((number, content, _),) = theirs.changed()
    ours.restore(number, content.items, content.fields)
    assert message[0][1] == ["changed", "more"]


def test_nobody_of_django_crosses() -> None:
    back = sent(SimpleLazyObject(AnonymousUser))
    assert type(back) is AnonymousUser and not back.is_authenticated


def test_what_changes_while_it_is_sent_is_sent_as_it_was() -> None:
    # Another thread may do the same between any two of its parts.
    shared: dict[Any, Any] = {"a": SimpleLazyObject(lambda: shared.setdefault("b", 2))}
    assert sent(shared) == {"a": 2}
    keyed: dict[Any, Any] = {1: SimpleLazyObject(lambda: keyed.setdefault(3, 4))}
    assert sent(keyed) == {1: 4}


def test_a_row_of_django_whose_class_no_module_has(tables: None) -> None:
    back = sent(r.hidden()(name="a"))
    assert (type(back), back.name) == (r.hidden(), "a")
    with pytest.raises(codec.DecodeError, match="there is no model bazaar.Nobody"):
        codec.decode(b't{"$w":[["django.apps","bazaar.Nobody"],{},["default",false],{}]}')


def test_a_row_of_django_that_the_other_side_wrote_is_not_new(tables: None) -> None:
    town = r.Town(name="new")
    mine, theirs = codec.Parts([town]), codec.Parts([sent(town)])
    theirs.values[0].save()
    ((number, content, _),) = theirs.changed()
    mine.restore(number, *content)
    assert (town.pk, town._state.adding, town._state.db) == (theirs.values[0].pk, False, "default")
    town.save(force_update=True)
    town.delete()


def test_new_rows_files_and_lazy_text_of_django() -> None:
    row = r.Person(name=gettext_lazy("a"), photo="p.png")
    assert row.photo.name == "p.png"
    back = sent(row)
    assert (back.pk, back._state.adding, back._state.db, back.name) == (None, True, None, "a")
    assert back.photo.name == "p.png" and back.photo.instance is back


def test_a_row_of_a_package(tables: None) -> None:
    user = User.objects.create_user("a", password="secret")
    back = sent(User.objects.get(pk=user.pk))
    assert type(back) is User and back == user and back.check_password("secret")


@pytest.mark.parametrize(
    "data",
    [
        b't{"$w":["bazaar.types:Product",{},true,{}]}',
        b't{"$w":["bazaar.rows:Order",{"nope":1},true,{}]}',
        b't{"$w":["bazaar.rows:Order",{},true,{"id":1}]}',
        b't{"$w":["bazaar.rows:Order",{},true,{"_sa_instance_state":1}]}',
        b't{"$w":["bazaar.rows:Town",{"nope":1},[null,true],{}]}',
        b't{"$w":["bazaar.rows:Town",{},[null,true],{"_state":1}]}',
        b't{"$w":[["bazaar.rows:Order","a_library.builder:None"],{},true,{}]}',
        b't{"$w":[["bazaar.types:Product","a_library.builder:Former"],{},true,{}]}',
        b't{"$W":0}',
        b't{"$U":["os:system",["true"]]}',
        b't{"$U":["yarl:URL",[1]]}',
        b't{"$V":["pairs",[]]}',
        b't{"$L":[[1],[2]]}',
        b't{"$L":[["a\\u0000"],[2]]}',
        b't{"$L":[["a"],[2,3]]}',
        b't{"$Y":["row",["a"],[1,2]]}',
        b't{"$B":["flask.config:Config",[]]}',
        b't{"$o":["starlette.datastructures:State",{}]}',
    ],
)
def test_malformed_rows_are_refused(data: bytes) -> None:
    with pytest.raises(codec.DecodeError):
        codec.decode(data)
