"""An outcome explains itself: each decision and the rule that made it."""

from __future__ import annotations

from tests.orders.order_builder import order, parked, stage, staged, unit
from tiktok_ns_pipeline.orders.explain import decision_rows, explanation_text, verdict


def test_every_decision_names_its_rule() -> None:
    outcome = staged(order([unit(), unit("PACK-6-001", "10")], warehouse_id="7000000000000000071"))

    rules = {what: (value, rule) for what, value, rule, _ in decision_rows(outcome)}

    assert rules["location_id"] == ("7", "warehouses.7000000000000000071")
    assert rules["item of SKU-001"] == ("301", "item name SKU-001")
    assert rules["item of PACK-6-001"] == ("301", "items.PACK-6-001, 6 units in one")
    assert rules["control_total"] == ("20", "what TikTok owes the seller")
    assert rules["tran_date"][1].startswith("paid_time")
    assert all(rule for _, rule in rules.values())


def test_a_routing_rule_is_named_as_the_mapping_names_it() -> None:
    outcome = staged(order([unit()], fulfillment_type="FULFILLMENT_BY_TIKTOK"))

    assert (
        "form_id",
        "68",
        "routing.orders 1: Orders that TikTok fulfils keep the standard form",
        "mapping",
    ) in (decision_rows(outcome))


def test_the_text_shows_lines_and_decisions() -> None:
    text = explanation_text(staged(order([unit(), unit()])), width=200)

    assert "becomes Sales Order tts-us-so-576461413038785752 of 20 USD" in text
    assert "warehouses.7000000000000000061" in text


def test_a_parked_order_tells_its_problems_and_what_to_do() -> None:
    outcome = parked(order([unit("[red]NEW")]))

    assert verdict(outcome).endswith("is parked for 1 problem.")
    text = explanation_text(outcome, width=200)
    assert "[red]NEW" in text
    assert "replayed by itself" in text


def test_waiting_and_skipped_orders_say_why() -> None:
    assert "waits: the buyer has not paid." in verdict(stage(order([unit()], status="UNPAID")))
    assert "the order was cancelled" in verdict(stage(order([unit()], status="CANCELLED")))


def test_an_explanation_carries_no_buyers_data() -> None:
    address = {"name": "Jo Bloggs", "address_line1": "12 Secret Lane", "region_code": "US"}

    text = explanation_text(staged(order([unit()], recipient_address=address, buyer_email="jo@x.com")))

    assert not {"Bloggs", "Secret", "jo@x.com"} & set(text.split())
