"""What SuiteQL understands, how it answers, and what it refuses (N 3)."""

from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.netsuite_account import account, order, select
from tiktok_ns_pipeline.sandbox.suiteql_translation import SuiteQLError


def one(query: str, *params: Any) -> dict[str, str]:
    """The only row of a query over an account as it is seeded (2026-06-01, noon in Los Angeles)."""
    [row] = select(account(), query, *params)
    return row


def refusal(query: str, *params: Any) -> str:
    with pytest.raises(SuiteQLError) as caught:
        select(account(), query, *params)
    return str(caught.value)


UNSUPPORTED = "Invalid or unsupported search."


def test_values_are_text_and_null_columns_are_missing() -> None:
    row = one("SELECT id, itemid, externalid, averagecost, isinactive FROM item WHERE id = 301")
    assert row == {"id": "301", "itemid": "SKU-001", "averagecost": "4", "isinactive": "F"}


def test_names_are_lower_case_and_outputs_without_name_are_numbered() -> None:
    row = one('SELECT id AS "ItemKey", UPPER(itemid), COUNT(*) OVER () FROM item WHERE ID = 301')
    assert row == {"itemkey": "301", "expr2": "SKU-001", "expr3": "1"}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("TO_CHAR(SYSDATE, 'YYYY-MM-DD HH24:MI:SS')", "2026-06-01 12:00:00"),
        ("SYSDATE", "6/1/2026"),
        ("TRUNC(SYSDATE)", "6/1/2026"),
        ("TO_CHAR(SYSDATE - 1/24, 'HH24:MI')", "11:00"),
        ("TO_CHAR(TRUNC(SYSDATE) + 0.5, 'HH:MI AM')", "12:00 PM"),
        ("TO_CHAR(TRUNC(SYSDATE, 'MM'), 'DD MON YYYY')", "01 Jun 2026"),
        ("TO_DATE('2026-01-31', 'YYYY-MM-DD') - TO_DATE('1/1/2026')", "30"),
        ("ADD_MONTHS(TO_DATE('2026-01-31', 'YYYY-MM-DD'), 1)", "2/28/2026"),
        ("LAST_DAY(SYSDATE)", "6/30/2026"),
        ("TO_CHAR(BUILTIN.RELATIVE_RANGES('TODAY', 'END'), 'YYYY-MM-DD HH24:MI:SS')", "2026-06-01 23:59:59"),
        ("TO_CHAR(SYSDATE)", "6/1/2026"),
        ("NVL(NULL, 'x')", "x"),
        ("NVL2(NULL, 'x', 'y')", "y"),
        ("DECODE(2, 1, 'a', 2, 'b', 'c')", "b"),
        ("COALESCE(NULL, NULL, 3)", "3"),
        ("CASE WHEN 1 = 2 THEN 'a' ELSE 'b' END", "b"),
        ("'a' || NULL || 'b'", "ab"),
        ("1 / 4", "0.25"),
        ("TRUNC(12.99)", "12"),
        ("INSTR('SKU-001', '-')", "4"),
        ("SUBSTR('SKU-001', 5)", "001"),
        ("0.1 + 0.2", "0.3"),
        ("TO_NUMBER('12')", "12"),
    ],
)
def test_expressions_mean_what_oracle_means(expression: str, value: str) -> None:
    assert one(f"SELECT {expression} AS v FROM dual") == {"v": value}


@given(st.dates(date(2020, 1, 1), date(2035, 12, 31)), st.integers(-400, 400))
@settings(max_examples=40, deadline=None)
def test_dates_add_up(day: date, days: int) -> None:
    row = one(f"SELECT TO_CHAR(TO_DATE('{day}', 'YYYY-MM-DD') + ({days}), 'YYYY-MM-DD') AS v FROM dual")
    assert row["v"] == (day + timedelta(days=days)).isoformat()


def test_a_date_column_shows_in_the_accounts_format_unless_told_otherwise() -> None:
    row = one("SELECT startdate, TO_CHAR(startdate, 'YYYY-MM-DD') AS iso FROM accountingperiod WHERE id = 73")
    assert row == {"startdate": "1/1/2026", "iso": "2026-01-01"}


def test_a_date_is_compared_with_dates_only() -> None:
    count = "SELECT COUNT(*) AS n FROM accountingperiod WHERE startdate = "
    assert one(count + "TO_DATE('2026-01-01', 'YYYY-MM-DD')") == {"n": "3"}
    assert one(count + "'1/1/2026'") == {"n": "3"}
    assert one(count + "?", "1/1/2026") == {"n": "3"}
    assert refusal(count + "'2026-01-01'") == UNSUPPORTED
    assert refusal(count + "?", "2026-01-01") == UNSUPPORTED


def test_times_are_told_in_the_accounts_zone() -> None:
    books = account()
    order(books)
    [row] = select(books, "SELECT TO_CHAR(createddate, 'YYYY-MM-DD HH24:MI:SS') AS at FROM transaction")
    assert row == {"at": "2026-06-01 12:00:00"}  # the record service says 19:00:00Z


def test_display_texts_come_from_builtin_df() -> None:
    books = account()
    order(books)
    query = """
        SELECT BUILTIN.DF(t.status) AS status, BUILTIN.DF(t.currency) AS currency,
               BUILTIN.DF(tl.item) AS item, BUILTIN.DF(tl.location) AS place, BUILTIN.DF(t.tranid) AS number
        FROM transaction t JOIN transactionline tl ON tl.transaction = t.id AND tl.id = 1"""
    assert select(books, query) == [
        {
            "status": "Sales Order : Pending Fulfillment",
            "currency": "USD",
            "item": "SKU-001",
            "place": "Main Warehouse",
            "number": "SO10001",
        }
    ]


class TestLimits:
    SKUS = "SELECT id FROM item WHERE itemtype = 'InvtPart'"

    def ids(self, query: str, *params: Any) -> list[int]:
        return [int(row["id"]) for row in select(account(), query, *params)]

    def test_fetch_first_limits(self) -> None:
        assert self.ids(f"{self.SKUS} ORDER BY id FETCH FIRST 3 ROWS ONLY") == [301, 302, 303]

    def test_rownum_limits_before_the_order_is_made(self) -> None:
        found = self.ids(f"{self.SKUS} AND ROWNUM <= 3 ORDER BY id DESC")
        assert sorted(found, reverse=True) == found
        assert len(found) == 3
        wrapped = f"SELECT id FROM ({self.SKUS} ORDER BY id DESC) WHERE ROWNUM <= 3"
        assert self.ids(wrapped) == [340, 339, 338]
        assert self.ids("SELECT id FROM item WHERE ROWNUM < ? AND id > ? ORDER BY id", 3, 330) == [331, 332]

    def test_a_limit_clause_is_refused(self) -> None:
        assert refusal(f"{self.SKUS} LIMIT 5") == UNSUPPORTED

    def test_a_list_takes_a_thousand_values(self) -> None:
        numbers = ", ".join(str(number) for number in range(1_000))
        assert len(self.ids(f"{self.SKUS} AND id IN ({numbers})")) == 40
        assert refusal(f"{self.SKUS} AND id IN ({numbers}, 1000)") == UNSUPPORTED

    def test_a_result_ends_at_a_hundred_thousand_rows(self) -> None:
        periods = "accountingperiod a CROSS JOIN accountingperiod b CROSS JOIN item i"
        page = account().query(f"SELECT a.id FROM {periods} ORDER BY a.id", limit=10)
        assert page.total == 100_000


def test_parameters_are_bound_in_the_order_of_their_marks() -> None:
    query = (
        "SELECT id FROM item WHERE (itemid LIKE ? OR id = ?) AND id <> ? ORDER BY id FETCH FIRST 2 ROWS ONLY"
    )
    assert [row["id"] for row in select(account(), query, "SKU-00%", "901", 301)] == ["302", "303"]
    for params in ((), ("a", "b"), ("a", "b", "c", "d"), ("a", None, "c"), ("a", True, "c")):
        assert refusal(query, *params) == UNSUPPORTED


def test_text_in_a_literal_is_no_marker_and_no_foreign_function() -> None:
    assert one("SELECT 'why? NOW ISNULL' AS v FROM dual") == {"v": "why? NOW ISNULL"}


def test_like_tells_case_apart() -> None:
    assert select(account(), "SELECT id FROM item WHERE itemid LIKE 'sku%'") == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (
            "SELECT nonsense FROM transaction",
            "Search error occurred: Unknown identifier 'nonsense'. "
            "Available identifiers are: {transaction=transaction}.",
        ),
        (
            "SELECT t.id FROM transaction t JOIN item i ON i.nonsense = t.id",
            "Search error occurred: Unknown identifier 'nonsense'. "
            "Available identifiers are: {t=transaction, i=item}.",
        ),
        (
            "SELECT id AS k FROM item WHERE k = 301",
            "Search error occurred: Unknown identifier 'k'. Available identifiers are: {item=item}.",
        ),
        ("SELECT id FROM nowhere", "Search error occurred: Record 'nowhere' was not found."),
        ("SELECT id FROM sqlite_master", "Search error occurred: Record 'sqlite_master' was not found."),
        ("SELECT kind FROM ns_names", "Search error occurred: Record 'ns_names' was not found."),
        ("SELECT FROM", UNSUPPORTED),
        ("", UNSUPPORTED),
        ("DELETE FROM item", UNSUPPORTED),
        ("SELECT id FROM item; SELECT id FROM item", UNSUPPORTED),
        (
            "WITH x AS (SELECT id FROM item) SELECT id FROM x",
            "Search error occurred: Record 'x' was not found.",
        ),
        ("SELECT [id] FROM item", UNSUPPORTED),
        ("SELECT IFNULL(id, 0) FROM item", UNSUPPORTED),
        ("SELECT ISNULL(id, 0) FROM item", UNSUPPORTED),
        ("SELECT GETDATE() FROM dual", UNSUPPORTED),
        ("SELECT sqlite_version() FROM dual", UNSUPPORTED),
        ("SELECT itemtype, COUNT(*) FROM item", UNSUPPORTED),
        ("SELECT itemtype, id FROM item GROUP BY itemtype", UNSUPPORTED),
        ("SELECT i.id FROM item i, transactionline l WHERE i.id = l.item(+)", UNSUPPORTED),
        ("SELECT TO_CHAR(1234.5, '9,999') FROM dual", UNSUPPORTED),
        ("SELECT TO_DATE('x', 'YYYY') FROM dual", UNSUPPORTED),
        ("SELECT CURRENT_DATE FROM dual", UNSUPPORTED),
        ("SELECT id FROM item WHERE id = :id", UNSUPPORTED),
    ],
)
def test_what_suiteql_refuses_is_refused_in_its_words(query: str, says: str) -> None:
    assert refusal(query) == says


def test_rows_without_order_may_change_places_between_pages_but_ordered_ones_never() -> None:
    books = account()
    unordered = {
        tuple(r["id"] for r in books.query("SELECT id FROM item", limit=10).as_dicts()) for _ in range(20)
    }
    assert len(unordered) > 1
    ordered = {
        tuple(r["id"] for r in books.query("SELECT id FROM item ORDER BY id", limit=10).as_dicts())
        for _ in range(20)
    }
    assert len(ordered) == 1


def test_every_page_sees_the_books_as_they_are_then() -> None:
    books = account()
    query = "SELECT id FROM transaction ORDER BY id"
    first = order(books)
    assert books.query(query, limit=1).total == 1
    order(books)
    assert books.query(query, limit=1).total == 2
    books.delete("salesOrder", first)
    assert books.query(query, limit=1).total == 1


@given(st.lists(st.decimals(min_value="0.01", max_value="99999.99", places=2), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_sums_are_exact_to_the_cent(amounts: list[D]) -> None:
    values = " UNION ALL ".join(f"SELECT {amount} AS v FROM dual" for amount in amounts)
    assert D(one(f"SELECT SUM(v) AS s FROM ({values})")["s"]) == sum(amounts)
