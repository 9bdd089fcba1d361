"""What the record service demands of a request and how it answers (N 2, 4.1). Recorded shapes are
compared in tests/contract."""

from typing import Any

import pytest

from tests.sandbox.netsuite_account import (
    HOST,
    RECORDS,
    Caller,
    account,
    customer,
    error_of,
    line,
    order,
    order_body,
)

ERRORS = {"X-NetSuite-PropertyNameValidation": "Error"}


@pytest.fixture
def caller() -> Caller:
    return Caller(account()).log_in()


class TestWriting:
    def test_a_create_answers_204_with_the_address_of_the_record_and_no_body(self, caller: Caller) -> None:
        buyer = customer(caller.books)
        answer = caller.call("POST", f"{RECORDS}/salesOrder", order_body(buyer, externalId="tts-1"))
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["location"] == f"https://{HOST}{RECORDS}/salesorder/70011"
        assert "content-type" not in answer.headers

    def test_type_and_property_names_are_taken_in_any_case(self, caller: Caller) -> None:
        body = {"COMPANYNAME": "X", "subsidiary": 1, "externalid": "tts-1"}
        assert caller.call("POST", f"{RECORDS}/CUSTOMER", body, ERRORS).status_code == 204
        assert caller.get("/customer/EID:TTS-1").json()["companyName"] == "X"

    def test_an_unknown_property_is_refused_when_asked_and_else_told_in_a_header(
        self, caller: Caller
    ) -> None:
        body = {"companyName": "X", "subsidiary": {"id": "1"}, "custentity_typo": "x"}
        refused = caller.call("POST", f"{RECORDS}/customer", body, ERRORS)
        assert (refused.status_code, error_of(refused)["o:errorPath"]) == (400, "custentity_typo")
        saved = caller.call("POST", f"{RECORDS}/customer", body)
        assert saved.status_code == 204
        assert "custentity_typo" in saved.headers["warning"]

    def test_change_upsert_transform_and_delete_answer_204(self, caller: Caller) -> None:
        made = order(caller.books, line("301", 2))
        path = f"{RECORDS}/salesOrder/{made}"
        assert caller.call("PATCH", path, {"memo": "x", "externalId": "tts-1"}).status_code == 204
        assert caller.call("PUT", f"{RECORDS}/salesOrder/eid:tts-1", {"memo": "y"}).status_code == 204
        parcel = caller.call("POST", f"{path}/!transform/itemFulfillment", {})
        assert parcel.headers["location"].endswith("/itemfulfillment/70012")
        assert caller.call("DELETE", f"{RECORDS}/itemFulfillment/70012").status_code == 204
        assert caller.call("DELETE", f"{RECORDS}/salesOrder/eid:TTS-1").status_code == 204
        assert caller.get(f"/salesOrder/{made}").status_code == 400

    def test_replacement_is_asked_for_in_the_query(self, caller: Caller) -> None:
        made = order(caller.books, line("301"), line("302"))
        caller.call("PATCH", f"{RECORDS}/salesOrder/{made}?replace=item", {"item": {"items": [line("303")]}})
        items = caller.get(f"/salesOrder/{made}?expandSubResources=true").json()["item"]["items"]
        assert [one["item"]["id"] for one in items] == ["303"]

    @pytest.mark.parametrize(
        ("body", "kind", "status", "code"),
        [
            (b"{", "application/json", 400, "INVALID_REQUEST"),
            (b"[1]", "application/json", 400, "INVALID_CONTENT"),
            (b"a=b", "application/x-www-form-urlencoded", 415, "INVALID_REQUEST"),
        ],
    )
    def test_a_body_that_is_no_record_is_refused(
        self, body: bytes, kind: str, status: int, code: str
    ) -> None:
        caller = Caller(account()).log_in()
        answer = caller.raw("POST", f"{RECORDS}/customer", body, {"Content-Type": kind})
        assert (answer.status_code, error_of(answer)["o:errorCode"]) == (status, code)

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PUT", "/salesOrder/70011"),
            ("POST", "/salesOrder/70011"),
            ("DELETE", "/salesOrder"),
            ("PATCH", "/salesOrder"),
            ("GET", "/salesOrder/70011/!transform/invoice"),
            ("POST", "/metadata-catalog"),
        ],
    )
    def test_other_methods_are_not_allowed(self, caller: Caller, method: str, path: str) -> None:
        order(caller.books)
        assert caller.call(method, RECORDS + path, {}).status_code == 405

    def test_a_new_record_may_not_carry_an_id(self, caller: Caller) -> None:
        body = {"id": "7", "companyName": "X", "subsidiary": 1}
        assert error_of(caller.call("POST", f"{RECORDS}/customer", body))["o:errorPath"] == "id"

    def test_asynchronous_requests_are_not_offered(self, caller: Caller) -> None:
        answer = caller.call("POST", f"{RECORDS}/customer", {}, {"Prefer": "respond-async"})
        assert answer.status_code == 400


class TestReading:
    def test_fields_can_be_picked_and_codes_made_simple(self, caller: Caller) -> None:
        made = order(caller.books)
        picked = caller.get(f"/salesOrder/{made}?fields=tranId,STATUS&simpleEnumFormat=true").json()
        assert {name: picked[name] for name in picked if name != "links"} == {
            "status": "B",
            "tranId": "SO10001",
        }

    def test_a_sublist_its_lines_and_subrecords_have_addresses(self, caller: Caller) -> None:
        address = {"addressee": "X", "city": "Austin", "country": {"id": "US"}}
        made = order(caller.books, line("301"), line("302"), shippingAddress=address)
        lines = caller.get(f"/salesOrder/{made}/item").json()
        assert [one["links"][0]["href"][-7:] for one in lines["items"]] == ["/item/1", "/item/2"]
        assert caller.get(f"/salesOrder/{made}/item/2").json()["item"]["refName"] == "SKU-002"
        assert (
            caller.get(f"/salesOrder/{made}/shippingAddress").json()["country"]["refName"] == "United States"
        )
        for path in ("item/3", "memo", "nothing"):
            assert caller.get(f"/salesOrder/{made}/{path}").status_code == 404

    def test_an_address_book_is_read_down_to_the_address(self, caller: Caller) -> None:
        book = {"items": [{"label": "HQ", "addressBookAddress": {"city": "Austin", "country": "US"}}]}
        buyer = customer(caller.books, addressBook=book)
        [entry] = caller.get(f"/customer/{buyer}?expandSubResources=true").json()["addressBook"]["items"]
        path = f"/customer/{buyer}/addressBook/{entry['internalId']}/addressBookAddress"
        assert caller.get(path).json()["city"] == "Austin"

    def test_stock_of_an_item_is_a_sublist(self, caller: Caller) -> None:
        caller.books.set_stock("301", "6", 9)
        places = caller.get("/inventoryItem/301?expandSubResources=true").json()["locations"]["items"]
        assert {one["location"]["id"]: one["quantityAvailable"] for one in places}["6"] == 9

    @pytest.mark.parametrize(
        ("path", "status", "code"),
        [
            ("/salesOrder/999999", 400, "USER_ERROR"),
            ("/salesOrder/301", 400, "USER_ERROR"),
            ("/salesOrder/eid:unknown", 404, "NONEXISTENT_ID"),
            ("/customer/999999", 404, "NONEXISTENT_ID"),
            ("/customer/000", 400, "INVALID_ID"),
            ("/customer/abc", 400, "INVALID_ID"),
            ("/nothing/1", 404, "NONEXISTENT_ID"),
            ("/accountingPeriod", 404, "NONEXISTENT_ID"),
            ("/customForm/68", 404, "NONEXISTENT_ID"),
        ],
    )
    def test_what_is_not_there(self, caller: Caller, path: str, status: int, code: str) -> None:
        answer = caller.get(path)
        assert (answer.status_code, error_of(answer)["o:errorCode"]) == (status, code)

    def test_an_order_is_no_fulfilment(self, caller: Caller) -> None:
        made = order(caller.books, externalId="tts-1")
        assert caller.get(f"/itemFulfillment/{made}").status_code == 400
        assert caller.get("/itemFulfillment/eid:tts-1").status_code == 404

    def test_long_answers_are_compressed_for_who_asks(self, caller: Caller) -> None:
        path = f"{RECORDS}/salesOrder/{order(caller.books, *[line()] * 30)}?expandSubResources=true"
        assert (
            caller.call("GET", path, headers={"Accept-Encoding": "gzip"}).headers["content-encoding"]
            == "gzip"
        )
        assert (
            "content-encoding"
            not in caller.call("GET", path, headers={"Accept-Encoding": "identity"}).headers
        )

    def test_every_answer_carries_request_ids_and_the_accounts_date(self, caller: Caller) -> None:
        answers = [caller.get("/customer"), caller.get("/nothing")]
        assert (
            len({one.headers[name] for one in answers for name in ("x-netsuite-jobid", "x-n-operationid")})
            == 4
        )
        assert answers[0].headers["date"] == "Mon, 01 Jun 2026 19:00:00 GMT"

    def test_options_needs_no_login(self) -> None:
        assert Caller(account()).call("OPTIONS", "/services/rest/*").status_code == 204


class TestFilters:
    @pytest.fixture
    def books(self, caller: Caller) -> Any:
        buyer = customer(caller.books)
        for number in (1, 2, 3):
            order(
                caller.books,
                line("301", number),
                customer_id=buyer,
                externalId=f"tts-us-so-{number}",
                tranDate=f"2026-05-0{number}",
                memo=f"order {number}" if number < 3 else None,
            )
        return caller.books

    @pytest.mark.parametrize(
        ("condition", "found"),
        [
            ('externalId IS "TTS-US-SO-2"', {2}),
            ('externalId START_WITH "tts-us"', {1, 2, 3}),
            ('externalId START_WITH_NOT "tts-us-so-1"', {2, 3}),
            ("externalId END_WITH 3", {3}),
            ('memo CONTAIN "order"', {1, 2}),
            ("memo EMPTY", {3}),
            ("memo EMPTY_NOT", {1, 2}),
            ("total EQUAL 20", {2}),
            ("total GREATER 10 AND total LESS_OR_EQUAL 30", {2, 3}),
            ("total BETWEEN [10, 20]", {1, 2}),
            ("id ANY_OF [70011, 70013]", {1, 3}),
            ("entity EQUAL 1201", {1, 2, 3}),
            ("orderStatus IS B", {1, 2, 3}),
            ('tranDate ON "5/2/2026"', {2}),
            ('tranDate ON_OR_AFTER "5/2/2026"', {2, 3}),
            ('createdDate BEFORE "6/1/2026"', set[int]()),
            ('createdDate ON "6/1/2026"', {1, 2, 3}),
            ("memo EMPTY OR total EQUAL 10 AND memo EMPTY_NOT", {1, 3}),
            ("(memo EMPTY OR total EQUAL 10) AND total GREATER 10", {3}),
        ],
    )
    def test_conditions(self, caller: Caller, books: Any, condition: str, found: set[int]) -> None:
        items = caller.get(f"/salesOrder?q={condition}").json()["items"]
        assert {int(one["id"]) - 70_010 for one in items} == found

    @pytest.mark.parametrize(
        "condition",
        [
            "",
            "externalId",
            "externalId IS",
            "nothing IS 1",
            "item EMPTY",
            "total CONTAIN 1",
            "total EQUAL x",
            'tranDate ON "2026-05-02"',
            "(memo EMPTY",
            "memo EMPTY memo EMPTY",
            'memo IS "a',
            "id ANY_OF []",
        ],
    )
    def test_a_condition_that_cannot_be_read_is_refused(self, caller: Caller, condition: str) -> None:
        answer = caller.get(f"/salesOrder?q={condition}")
        error = error_of(answer)
        assert (answer.status_code, error["o:errorCode"], error["o:errorQueryParam"]) == (
            400,
            "INVALID_PARAMETER",
            "q",
        )

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=1001", "limit=x", "limit=5&offset=3", "limit=1&offset=1000"]
    )
    def test_pages_have_rules(self, caller: Caller, query: str) -> None:
        answer = caller.get(f"/currency?{query}")
        assert (answer.status_code, error_of(answer)["o:errorCode"]) == (400, "INVALID_PARAMETER")

    def test_all_pages_together_are_the_whole_list_in_no_order(self, caller: Caller) -> None:
        ids = [
            one["id"]
            for offset in range(0, 40, 10)
            for one in caller.get(f"/inventoryItem?limit=10&offset={offset}").json()["items"]
        ]
        assert sorted(ids) == [str(number) for number in range(301, 341)]
        assert ids != sorted(ids)


class TestSuiteQL:
    def test_the_prefer_header_is_a_must(self, caller: Caller) -> None:
        assert caller.suiteql("SELECT id FROM item", Prefer="").status_code == 400
        assert caller.suiteql("SELECT id FROM item").headers["preference-applied"] == "transient"

    @pytest.mark.parametrize(
        "page", ["?limit=1001", "?limit=10&offset=5", "?limit=1000&offset=100000", "?limit=-1", "?offset=x"]
    )
    def test_pages_have_rules(self, caller: Caller, page: str) -> None:
        assert caller.suiteql("SELECT id FROM item", page=page).status_code == 400

    def test_a_refusal_names_the_parameter(self, caller: Caller) -> None:
        error = error_of(caller.suiteql("SELECT x FROM item"))
        assert (error["o:errorCode"], error["o:errorQueryParam"]) == ("INVALID_PARAMETER", "q")
        assert error["detail"].startswith(
            "Invalid search query. Detailed unprocessed description follows. Search"
        )

    def test_a_body_without_query_is_refused(self, caller: Caller) -> None:
        for body in ({}, {"q": 1}, {"q": "SELECT 1 FROM dual", "params": "x"}):
            answer = caller.call("POST", "/services/rest/query/v1/suiteql", body, {"Prefer": "transient"})
            assert answer.status_code == 400
        assert (
            caller.call("GET", "/services/rest/query/v1/suiteql", None, {"Prefer": "transient"}).status_code
            == 405
        )


class TestMetadata:
    def test_the_catalogue_describes_this_account(self, caller: Caller) -> None:
        path = f"{RECORDS}/metadata-catalog/salesOrder"
        schema = caller.call("GET", path, headers={"Accept": "application/schema+json"}).json()
        assert schema["properties"]["custbody_tts_order_id"]["x-ns-custom-field"] is True
        assert "taxDetails" in schema["properties"]
        line_fields = schema["properties"]["item"]["properties"]["items"]["items"]["properties"]
        assert {"custcol_tts_line_ids", "rate", "isClosed"} <= line_fields.keys()
        caller.books.set_tax_engine("legacy")
        legacy = caller.call("GET", path, headers={"Accept": "application/schema+json"}).json()
        assert "taxDetails" not in legacy["properties"]

    def test_the_list_can_be_narrowed(self, caller: Caller) -> None:
        names = [
            one["name"] for one in caller.get("/metadata-catalog?select=salesOrder,customer").json()["items"]
        ]
        assert names == ["salesOrder", "customer"]
        assert len(caller.get("/metadata-catalog").json()["items"]) > 25
        assert caller.get("/metadata-catalog?select=nothing").status_code == 404

    def test_the_limits_are_told(self, caller: Caller) -> None:
        limits = caller.call("GET", "/services/rest/system/v1/governanceLimits").json()
        assert limits["accountConcurrencyLimit"] == 5
