from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.netsuite_account import account, customer, fields_of, line, order, order_body
from tiktok_ns_pipeline.sandbox.books import BookError, Books

CENTS = st.decimals(min_value=0, max_value=5_000, places=2)


def refusal(action: Any, *args: Any, **more: Any) -> BookError:
    with pytest.raises(BookError) as caught:
        action(*args, **more)
    return caught.value


def test_an_order_gets_number_period_currency_and_totals() -> None:
    books = account()
    made = fields_of(books, "salesOrder", order(books, line("301", 2, "19.95"), line("302", 1, "12.5")))
    assert (made["tranId"], made["transactionNumber"]) == ("SO10001", "SALESORD10001")
    assert (made["subsidiary"], made["currency"], made["exchangeRate"]) == ("1", "1", D(1))
    assert made["tranDate"] == "2026-06-01"
    assert (made["subtotal"], made["taxTotal"], made["total"]) == (D("52.40"), D(0), D("52.40"))
    assert [one["line"] for one in made["item"]] == [1, 2]


def test_the_day_of_an_order_is_the_accounts_day_not_utcs() -> None:
    books = account()
    books.clock.advance(8 * 3_600)  # type: ignore[attr-defined] # 03:00 UTC of the next day
    assert fields_of(books, "salesOrder", order(books))["tranDate"] == "2026-06-01"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), CENTS), min_size=1, max_size=6), CENTS)
def test_a_total_is_the_sum_of_its_lines_to_the_cent(sold: list[tuple[int, D]], discount: D) -> None:
    books = account()
    lines = [line(str(301 + i), quantity, rate) for i, (quantity, rate) in enumerate(sold)]
    lines.append(line("902", None, -discount, location=None))
    made = fields_of(books, "salesOrder", order(books, *lines))
    assert made["total"] == sum(quantity * rate for quantity, rate in sold) - discount
    assert made["total"] == sum(one["amount"] for one in made["item"])


def test_without_the_custom_price_level_the_price_list_wins_over_the_rate_sent() -> None:
    books = account()
    [made] = fields_of(books, "salesOrder", order(books, line("301", 2, "1.00", price=None)))["item"]
    assert (made["price"], made["rate"], made["amount"]) == ("1", D("10.49"), D("20.98"))


def test_an_amount_sent_wins_over_the_rate_and_is_rounded_to_the_currency() -> None:
    books = account()
    [made] = fields_of(books, "salesOrder", order(books, line("301", 3, "3.3333", amount=D("10.005"))))[
        "item"
    ]
    assert (made["rate"], made["amount"]) == (D("3.3333"), D("10.01"))


def test_an_amount_that_was_sent_stays_when_another_field_of_its_line_changes() -> None:
    books = account()
    made = order(books, line("301", 3, "3.3333", amount=D("10.00")))
    books.patch("salesOrder", made, {"item": {"items": [{"line": 1, "description": "x"}]}})
    assert fields_of(books, "salesOrder", made)["total"] == D("10.00")
    books.patch("salesOrder", made, {"item": {"items": [{"line": 1, "quantity": 1}]}})
    assert fields_of(books, "salesOrder", made)["total"] == D("3.33")


def test_dong_has_no_decimals() -> None:
    books = account()
    viet = customer(books, "3")
    [made] = fields_of(
        books,
        "salesOrder",
        order(
            books,
            line("301", 3, "33333.5", location={"id": "10"}),
            customer_id=viet,
            taxDetailsOverride=True,
        ),
    )["item"]
    assert made["amount"] == D("100001")


def test_shipping_cost_counts_only_with_a_shipping_method() -> None:
    books = account()
    without = fields_of(books, "salesOrder", order(books, shippingCost=D("4.99")))
    assert without["total"] == D("10.00")
    assert "shippingCost" not in without
    method = {"shipMethod": {"id": "4721"}, "shippingCost": D("4.99")}
    assert fields_of(books, "salesOrder", order(books, **method))["total"] == D("14.99")


BRITISH = {"location": {"id": "9"}}


class TestSuiteTax:
    def british(self, books: Books, *lines: Any, **fields: Any) -> dict[str, Any]:
        buyer = customer(books, "2")
        lines = lines or (line("301", 1, "8.33", taxDetailsReference="A", **BRITISH),)
        return fields_of(books, "salesOrder", order(books, *lines, customer_id=buyer, **fields))

    @staticmethod
    def detail(reference: str = "A", **fields: Any) -> dict[str, Any]:
        return {
            "taxDetailsReference": reference,
            "taxType": {"id": "1"},
            "taxCode": {"id": "20"},
            "taxBasis": D("8.33"),
            "taxRate": 20,
            "taxAmount": D("1.66"),
            **fields,
        }

    def test_a_sale_in_britain_is_taxed_on_top_unless_overridden(self) -> None:
        made = self.british(account())
        assert (made["taxTotal"], made["total"]) == (D("1.67"), D("10.00"))

    def test_overriding_details_stand_as_they_were_sent(self) -> None:
        made = self.british(account(), taxDetailsOverride=True, taxDetails={"items": [self.detail()]})
        assert (made["taxTotal"], made["total"]) == (D("1.66"), D("9.99"))
        assert made["item"][0]["grossAmt"] == D("9.99")

    def test_overriding_without_details_means_no_tax(self) -> None:
        assert self.british(account(), taxDetailsOverride=True)["total"] == D("8.33")

    def test_a_detail_of_a_line_that_is_not_there_is_refused(self) -> None:
        details = {"items": [self.detail("B")]}
        error = refusal(self.british, account(), taxDetailsOverride=True, taxDetails=details)
        assert (error.code, error.path) == ("INVALID_CONTENT", "taxDetails.items[0].taxDetailsReference")

    def test_details_sent_again_without_replacement_count_twice(self) -> None:
        """The sublist has no key (N 2.7), so a repeated change appends."""
        books = account()
        details = {"items": [self.detail()]}
        made = self.british(books, taxDetailsOverride=True, taxDetails=details)
        [identifier] = [one["id"] for one in books.records("salesOrder")]
        books.patch("salesOrder", identifier, {"taxDetails": details}, frozenset({"taxDetails"}))
        assert fields_of(books, "salesOrder", identifier)["total"] == made["total"]
        books.patch("salesOrder", identifier, {"taxDetails": details})
        assert fields_of(books, "salesOrder", identifier)["total"] == made["total"] + D("1.66")

    def test_legacy_tax_fields_are_known_and_do_nothing(self) -> None:
        sold = line("301", 1, "8.33", taxCode={"id": "5"}, tax1Amt=D("9"), **BRITISH)
        made = self.british(account(), sold, taxDetailsOverride=True)
        assert made["total"] == D("8.33")
        assert "tax1Amt" not in made["item"][0]


class TestLegacyTax:
    @staticmethod
    def legacy() -> Books:
        books = account()
        books.set_tax_engine("legacy")
        return books

    def test_a_line_is_taxed_by_its_code(self) -> None:
        books = self.legacy()
        sold = line("301", 1, "8.33", location={"id": "9"}, taxCode={"id": "20"})
        made = fields_of(books, "salesOrder", order(books, sold, customer_id=customer(books, "2")))
        assert (made["item"][0]["tax1Amt"], made["total"]) == (D("1.67"), D("10.00"))

    def test_a_tax_amount_sent_stands(self) -> None:
        books = self.legacy()
        sold = line("301", 1, "8.33", location={"id": "9"}, taxCode={"id": "20"}, tax1Amt=D("1.66"))
        made = fields_of(books, "salesOrder", order(books, sold, customer_id=customer(books, "2")))
        assert made["total"] == D("9.99")

    def test_a_gross_amount_is_split_into_net_and_tax(self) -> None:
        books = self.legacy()
        sold = line("301", 1, None, location={"id": "9"}, taxCode={"id": "20"}, grossAmt=D("10.00"))
        [made] = fields_of(books, "salesOrder", order(books, sold, customer_id=customer(books, "2")))["item"]
        assert (made["amount"], made["tax1Amt"], made["grossAmt"]) == (D("8.33"), D("1.67"), D("10.00"))

    def test_fields_of_the_other_engine_are_unknown(self) -> None:
        books = self.legacy()
        body = order_body(customer(books), taxDetailsOverride=True)
        error = refusal(books.create, "salesOrder", body, "error")
        assert (error.code, error.path) == ("INVALID_CONTENT", "taxDetailsOverride")


class TestRefusals:
    def test_a_customer_is_needed(self) -> None:
        error = refusal(account().create, "salesOrder", {"item": {"items": [line()]}})
        assert (error.status, error.code) == (400, "USER_ERROR")
        assert "Please enter value(s) for: Customer." in error.detail

    @pytest.mark.parametrize("items", [{}, {"item": {"items": []}}, {"item": {"items": [{"quantity": 1}]}}])
    def test_items_are_needed(self, items: dict[str, Any]) -> None:
        books = account()
        body = {"entity": {"id": customer(books)}, **items}
        assert "Please enter value(s) for" in refusal(books.create, "salesOrder", body).detail

    @pytest.mark.parametrize(
        ("changed", "path"),
        [
            ({"item": {"id": "9999"}}, "item.items[0].item"),
            ({"location": {"id": "9"}}, "item.items[0].location"),  # of another subsidiary
            ({"location": 77}, "item.items[0].location"),
            ({"rate": "10.00"}, "item.items[0].rate"),
            ({"quantity": True}, "item.items[0].quantity"),
            ({"item": {"externalId": "SKU-001"}}, "item.items[0].item"),
            ({"isClosed": "T"}, "item.items[0].isClosed"),
            ({"units": "9"}, "item.items[0].units"),
        ],
    )
    def test_a_bad_value_is_named_by_its_path(self, changed: dict[str, Any], path: str) -> None:
        books = account()
        body = order_body(customer(books), line() | changed)
        error = refusal(books.create, "salesOrder", body)
        assert (error.status, error.code, error.path) == (400, "INVALID_CONTENT", path)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("currency", {"id": "2"}),  # the customer does not deal in it
            ("subsidiary", {"id": "2"}),
            ("orderStatus", {"id": "H"}),
            ("tranDate", "2026-13-01"),
            ("tranDate", "01/31/2026"),
            ("entity", {"id": "77"}),
        ],
    )
    def test_a_bad_header_value_is_refused(self, name: str, value: Any) -> None:
        books = account()
        body = order_body(customer(books)) | {name: value}
        assert refusal(books.create, "salesOrder", body).path == name

    def test_text_that_is_too_long_is_refused_not_cut(self) -> None:
        error = refusal(order, account(), otherRefNum="5" * 46)
        assert "maximum number ( 45 )" in error.detail

    def test_an_unknown_property_is_dropped_with_a_warning_or_refused_on_demand(self) -> None:
        books = account()
        body = order_body(customer(books), line(custcol_typo="x"), custbody_typo="y")
        saved = books.create("salesOrder", body)
        assert set(saved.unknown) == {"item.items[0].custcol_typo", "custbody_typo"}
        assert refusal(books.create, "salesOrder", body, "error").code == "INVALID_CONTENT"
        assert books.create("salesOrder", body, "ignore").unknown == ()

    def test_a_refusal_changes_nothing(self) -> None:
        books = account()
        first = order(books, externalId="tts-1")
        before = books.get("salesOrder", first)
        refusal(order, books, externalId="TTS-1")
        refusal(books.patch, "salesOrder", first, {"memo": "x", "item": {"items": [{"line": 9}]}})
        assert books.get("salesOrder", first) == before
        assert len(list(books.records("salesOrder"))) == 1


class TestExternalIds:
    def test_case_does_not_tell_them_apart(self) -> None:
        books = account()
        order(books, externalId="tts-us-so-1")
        error = refusal(order, books, externalId="TTS-US-SO-1")
        assert error.detail == "Error while accessing a resource. This record already exists."

    def test_all_kinds_of_transactions_share_one_namespace(self) -> None:
        books = account()
        made = order(books, externalId="tts-1")
        error = refusal(books.transform, "salesOrder", made, "itemFulfillment", {"externalId": "tts-1"})
        assert "already exists" in error.detail

    def test_a_customer_and_an_order_may_share_one(self) -> None:
        books = account()
        customer(books, externalId="tts-1")
        order(books, externalId="tts-1")

    def test_a_name_or_external_id_of_a_customer_that_is_taken_is_refused(self) -> None:
        books = account()
        customer(books, externalId="tts-1")
        for fields in ({"companyName": "Other", "externalId": "TTS-1"}, {}):
            error = refusal(customer, books, **fields)
            assert error.detail == "Error while accessing a resource. This entity already exists."

    def test_a_deleted_record_frees_its_external_id_but_not_its_number(self) -> None:
        books = account()
        first = order(books, externalId="tts-1")
        books.delete("salesOrder", first)
        second = order(books, externalId="tts-1")
        assert int(second) > int(first)
        assert fields_of(books, "salesOrder", second)["tranId"] == "SO10002"


class TestChanges:
    def test_a_line_with_its_key_is_changed_and_the_rest_kept(self) -> None:
        books = account()
        made = order(books, line("301", 2), line("302", 1))
        books.patch("salesOrder", made, {"item": {"items": [{"line": 1, "quantity": 1}]}})
        after = fields_of(books, "salesOrder", made)
        assert [(one["line"], one["quantity"]) for one in after["item"]] == [(1, 1), (2, 1)]
        assert after["total"] == D("20.00")

    def test_lines_without_key_are_appended_so_a_repeated_upsert_doubles_the_order(self) -> None:
        books = account()
        body = order_body(customer(books))
        books.upsert("salesOrder", "tts-1", body)
        saved = books.upsert("salesOrder", "tts-1", body)
        assert saved.record.get("total") == D("20.00")
        replaced = books.upsert("salesOrder", "tts-1", body, frozenset({"item"}))
        assert replaced.record.get("total") == D("10.00")

    def test_replacement_keeps_named_lines_and_drops_the_others(self) -> None:
        books = account()
        made = order(books, line("301"), line("302"), line("303"))
        body = {"item": {"items": [{"line": 3}, {"line": 1, "quantity": 5}, line("304")]}}
        books.patch("salesOrder", made, body, frozenset({"item"}))
        after = fields_of(books, "salesOrder", made)["item"]
        assert [(one["line"], one["item"], one["quantity"]) for one in after] == [
            (3, "303", 1),
            (1, "301", 5),
            (4, "304", 1),
        ]

    def test_a_number_of_a_line_is_never_used_twice(self) -> None:
        books = account()
        made = order(books, line("301"), line("302"))
        books.patch("salesOrder", made, {"item": {"items": [{"line": 1}]}}, frozenset({"item"}))
        books.patch("salesOrder", made, {"item": {"items": [line("303")]}})
        assert [one["line"] for one in fields_of(books, "salesOrder", made)["item"]] == [1, 3]

    def test_null_clears_and_what_is_not_mentioned_stays(self) -> None:
        books = account()
        made = order(books, memo="x", otherRefNum="576")
        books.patch("salesOrder", made, {"MEMO": None})
        after = fields_of(books, "salesOrder", made)
        assert "memo" not in after
        assert after["otherRefNum"] == "576"

    def test_an_order_is_closed_by_closing_its_lines_and_can_be_opened_again(self) -> None:
        books = account()
        made = order(books, line("301"), line("302"))
        close = {"item": {"items": [{"line": 1, "isClosed": True}, {"line": 2, "isClosed": True}]}}
        books.patch("salesOrder", made, close)
        after = fields_of(books, "salesOrder", made)
        assert (after["status"], after["total"]) == ("H", D("20.00"))
        books.patch("salesOrder", made, {"item": {"items": [{"line": 2, "isClosed": False}]}})
        assert fields_of(books, "salesOrder", made)["status"] == "B"

    def test_customer_and_currency_are_fixed_once_saved(self) -> None:
        books = account()
        made, other = order(books), customer(books)
        refusal(books.patch, "salesOrder", made, {"entity": {"id": other}})

    def test_an_order_awaits_approval_unless_told(self) -> None:
        books = account()
        made = order(books, orderStatus=None)
        assert fields_of(books, "salesOrder", made)["status"] == "A"
        books.patch("salesOrder", made, {"orderStatus": {"id": "B"}})
        assert fields_of(books, "salesOrder", made)["status"] == "B"

    def test_an_order_without_goods_waits_only_for_its_bill(self) -> None:
        books = account()
        assert fields_of(books, "salesOrder", order(books, line("901", location=None)))["status"] == "F"
