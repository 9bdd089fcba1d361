"""What queries say of fulfilments, parcels, kits, bills and orders as they change (N 3.4)."""

from typing import Any

import pytest

from tests.sandbox.netsuite_account import Caller, account, error_of, line, order, select
from tiktok_ns_pipeline.sandbox.books import Books

OURS = {"custbody_tts_order_id": "576", "custbody_tts_shop": "us", "custbody_tts_fulfillment": "seller"}


def shipped(books: Books, made: str, **fields: Any) -> str:
    body = {"shipStatus": {"id": "C"}, "shipMethod": {"id": "4722"}, **fields}
    return books.transform("salesOrder", made, "itemFulfillment", body).id


@pytest.fixture
def books() -> Books:
    return account()


def test_a_fulfilment_names_carrier_state_and_order(books: Books) -> None:
    made = order(books, line("301", 2), **OURS)
    parcel = shipped(books, made, shipCarrier={"id": "ups"}, externalId="wms-1")
    [row] = select(
        books,
        "SELECT DISTINCT f.id, f.status, BUILTIN.DF(f.status) AS state, BUILTIN.DF(f.shipmethod) AS method,"
        " f.shipcarrier, f.externalid, o.id AS so, o.custbody_tts_order_id AS order_id,"
        " o.custbody_tts_shop AS shop"
        " FROM transaction f JOIN transactionline l ON l.transaction = f.id"
        " JOIN transaction o ON o.id = l.createdfrom"
        " WHERE f.type = 'ItemShip' AND o.custbody_tts_fulfillment = 'seller'",
    )
    assert row == {
        "id": parcel,
        "status": "C",
        "state": "Item Fulfillment : Shipped",
        "method": "UPS Ground",
        "shipcarrier": "ups",
        "externalid": "wms-1",
        "so": made,
        "order_id": "576",
        "shop": "us",
    }


def test_every_change_moves_the_day_of_change_so_that_a_reader_sees_it(books: Books) -> None:
    parcel = shipped(books, order(books))
    clock: Any = books.clock
    changes: list[tuple[dict[str, Any], frozenset[str]]] = [
        ({"package": {"items": [{"packageTrackingNumber": "1Z"}]}}, frozenset({"package"})),
        ({"shipStatus": {"id": "B"}}, frozenset()),
        ({"shipMethod": None}, frozenset()),
    ]
    for minutes, (body, replace) in enumerate(changes, start=1):
        clock.advance(60)
        books.patch("itemFulfillment", parcel, body, replace)
        [row] = select(
            books,
            "SELECT TO_CHAR(lastmodifieddate, 'HH24:MI') AS at FROM transaction WHERE type = 'ItemShip'",
        )
        assert row["at"] == f"12:0{minutes}"


def test_a_kit_lists_itself_and_its_members_with_their_origin(books: Books) -> None:
    made = order(books, line("302"), line("350", 2))
    parcel = shipped(books, made)
    rows = select(
        books,
        "SELECT l.id, l.item, ABS(l.quantity) AS quantity, l.kitmemberof, l.kitcomponent, k.previousline"
        " FROM transactionline l JOIN previoustransactionlinelink k"
        " ON k.nextdoc = l.transaction AND k.nextline = l.id AND k.linktype = 'ShipRcpt'"
        f" WHERE l.transaction = {parcel} AND l.mainline = 'F' AND l.iscogs = 'F' ORDER BY l.id",
    )
    found = [(row["item"], row["quantity"], row.get("kitmemberof"), row["kitcomponent"]) for row in rows]
    assert found == [
        ("302", "1", None, "F"),
        ("350", "2", None, "F"),
        ("301", "2", "2", "T"),
        ("302", "4", "2", "T"),
    ]
    assert [row["previousline"] for row in rows] == ["1", "2", "2", "2"]


def test_parcels_of_integrated_carriers_have_their_numbers_too(books: Books) -> None:
    parcel = shipped(
        books,
        order(books),
        package={"items": [{"packageTrackingNumber": "ONE", "packageDescr": "Box"}, {"packageDescr": "Bag"}]},
        packageUps={"items": [{"packageTrackingNumberUps": "TWO"}]},
    )
    parcels = select(
        books,
        "SELECT packagetrackingnumber AS number, packagedescr AS what FROM itemfulfillmentpackage"
        f" WHERE itemfulfillment = {parcel}",
    )
    assert parcels == [{"number": "ONE", "what": "Box"}, {"what": "Bag"}, {"number": "TWO"}]
    numbers = select(
        books,
        "SELECT n.trackingnumber AS number FROM trackingnumbermap m"
        f" JOIN trackingnumber n ON n.id = m.trackingnumber WHERE m.transaction = {parcel} ORDER BY n.id",
    )
    assert [row["number"] for row in numbers] == ["ONE", "TWO"]


def test_what_is_deleted_is_in_no_table(books: Books) -> None:
    parcel = shipped(books, order(books), package={"items": [{"packageTrackingNumber": "ONE"}]})
    books.delete("itemFulfillment", parcel)
    for query in (
        f"SELECT id FROM transaction WHERE id = {parcel}",
        f"SELECT id FROM transactionline WHERE transaction = {parcel}",
        f"SELECT trackingnumber FROM trackingnumbermap WHERE transaction = {parcel}",
        f"SELECT nextdoc FROM nexttransactionlinelink WHERE nextdoc = {parcel}",
        f"SELECT account FROM transactionaccountingline WHERE transaction = {parcel}",
        f"SELECT itemfulfillment FROM itemfulfillmentpackage WHERE itemfulfillment = {parcel}",
    ):
        assert select(books, query) == []


def test_ship_methods_can_be_listed(books: Books) -> None:
    rows = select(books, "SELECT id, itemid FROM shipitem WHERE isinactive = 'F' ORDER BY id")
    assert {row["itemid"] for row in rows} >= {"UPS Ground", "Royal Mail Tracked 48", "Bike Courier"}


class TestOverHttp:
    def test_an_order_is_closed_and_refuses_a_fulfilment(self, books: Books) -> None:
        made, caller = order(books, line("301"), line("302")), Caller(books).log_in()
        path = f"/services/rest/record/v1/salesOrder/{made}"
        lines = {"items": [{"line": 1, "isClosed": True}, {"line": 2, "isClosed": True}]}
        assert caller.call("PATCH", path, {"item": lines}).status_code == 204
        assert caller.get(f"/salesOrder/{made}").json()["status"] == {"id": "H", "refName": "Closed"}
        refusal = caller.call("POST", f"{path}/!transform/itemFulfillment", {"shipStatus": {"id": "C"}})
        assert (refusal.status_code, error_of(refusal)["o:errorCode"]) == (400, "USER_ERROR")

    def test_a_picked_line_is_not_closed(self, books: Books) -> None:
        made, caller = order(books), Caller(books).log_in()
        shipped(books, made, shipStatus={"id": "A"})
        lines = {"items": [{"line": 1, "isClosed": True}]}
        refusal = caller.call("PATCH", f"/services/rest/record/v1/salesOrder/{made}", {"item": lines})
        assert refusal.status_code == 400
        assert "picked and cannot be closed" in error_of(refusal)["detail"]

    def test_a_share_of_a_discount_is_billed_into_clearing(self, books: Books) -> None:
        lines = (line("301", 2, "5.00"), line("902", None, "-1.00", location=None))
        made, caller = order(books, *lines), Caller(books).log_in()
        shipped(books, made)
        body = {
            "externalId": "tts-us-cs-1",
            "account": {"id": "125"},
            "item": {"items": [{"orderLine": 1, "quantity": 1}, {"orderLine": 2, "amount": -0.5}]},
        }
        path = f"/services/rest/record/v1/salesOrder/{made}/!transform/cashSale"
        assert caller.call("POST", path, body).status_code == 204
        sale = caller.get("/cashSale/eid:tts-us-cs-1?expandSubResources=true").json()
        assert (sale["total"], sale["createdFrom"]["id"]) == (4.5, made)
        assert [one["amount"] for one in sale["item"]["items"]] == [5.0, -0.5]

    def test_a_parcel_is_corrected_with_replacement(self, books: Books) -> None:
        parcel, caller = shipped(books, order(books), externalId="wms-1"), Caller(books).log_in()
        for number in ("WRONG", "RIGHT"):
            body = {"package": {"items": [{"packageTrackingNumber": number}]}}
            path = "/services/rest/record/v1/itemFulfillment/eid:wms-1?replace=package"
            assert caller.call("PATCH", path, body).status_code == 204
        answer = caller.get(f"/itemFulfillment/{parcel}?expandSubResources=true").json()
        assert [one["packageTrackingNumber"] for one in answer["package"]["items"]] == ["RIGHT"]
