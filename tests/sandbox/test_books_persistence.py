from decimal import Decimal as D
from pathlib import Path

from tests.sandbox.netsuite_account import Caller, account, assertion, fields_of, line, order, select

QUERY = "SELECT id, externalid, foreigntotal, status FROM transaction ORDER BY id"


def test_a_second_start_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    first = account(tmp_path)
    made = order(first, line("301", 2, "19.95"), line("350"), externalId="tts-1", memo="ü")
    first.transform("salesOrder", made, "itemFulfillment", {"shipStatus": {"id": "C"}})
    first.set_stock("302", "6", 7)
    first.close_period("May 2026")
    first.set_tax_engine("legacy")
    shown, rows = first.get("salesOrder", made), select(first, QUERY)
    first.close()

    second = account(tmp_path)
    assert second.get("salesOrder", made) == shown
    assert select(second, QUERY) == rows
    assert second.stock("302", "6").on_hand == 7
    assert second.stock("301", "6").on_hand == 5_000 - 3
    assert second.tax_engine == "legacy"
    assert fields_of(second, "salesOrder", made)["total"] == D("49.90")
    assert int(order(second)) > int(made)
    second.close()


def test_open_orders_hold_their_goods_after_a_restart(tmp_path: Path) -> None:
    first = account(tmp_path)
    order(first, line("301", 2))
    first.close()
    second = account(tmp_path)
    assert second.stock("301", "6").committed == 2
    second.close()


def test_keys_and_tokens_outlive_a_restart(tmp_path: Path) -> None:
    first = account(tmp_path)
    pem = first.auth.client_private_key_pem()
    bearer = Caller(first).log_in().headers
    first.close()
    second = account(tmp_path)
    assert second.auth.client_private_key_pem() == pem
    caller = Caller(second)
    caller.headers = bearer
    assert caller.get("/customer").status_code == 200
    assert caller.token(assertion(second)).status_code == 200
    second.close()


def test_what_was_not_closed_properly_is_there_all_the_same(tmp_path: Path) -> None:
    first = account(tmp_path)
    made = order(first, externalId="tts-1")
    second = account(tmp_path)  # the first process died
    assert fields_of(second, "salesOrder", made)["externalId"] == "tts-1"
    second.close()
    first.close()
