from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiktok_ns_pipeline.sandbox.catalogue import SHOPS
from tiktok_ns_pipeline.sandbox.facts import OrderFacts, ShippingFacts, Status
from tiktok_ns_pipeline.sandbox.faults import FaultKind, FaultPlan
from tiktok_ns_pipeline.sandbox.order_store import Filter
from tiktok_ns_pipeline.sandbox.price_detail import price_detail
from tiktok_ns_pipeline.sandbox.shoppers import Mix, draw
from tiktok_ns_pipeline.sandbox.virtual_time import DEFAULT_START, VirtualClock
from tiktok_ns_pipeline.sandbox.wire import Habits, order_document
from tiktok_ns_pipeline.sandbox.world import Line, World

AT = int(DEFAULT_START.timestamp())
EACH = "Each"


def new_world(**options) -> World:
    return World(clock=VirtualClock(), **{"mix": Mix.plain(), **options})


def amount(text: str) -> Decimal:
    return Decimal(str(text).strip() or 0)


def listed(world: World, shop: str = "us") -> list[str]:
    bodies, _ = world.store.page(Filter(shop), 0, 100, int(world.now().timestamp()))
    return [body.split('"id":"', 1)[1].split('"')[0] for body in bodies]


# Arithmetic (T 3.4, 3.5)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 10**6), number=st.integers(1, 10**5))
def test_every_drawn_order_keeps_the_identities_of_its_market(seed: int, number: int):
    draft = draw(seed, number, AT, Mix())
    facts = draft.facts
    order = order_document(
        facts, draft.listings, habits=draft.habits, flags=draft.flags, buyer=draft.buyer, warehouse_id="1"
    )
    pay = {
        name: amount(text)
        for name, text in order["payment"].items()
        if name != "currency" and text is not None
    }
    lines = order["line_items"]
    assert (
        pay["sub_total"]
        == pay["original_total_product_price"] - pay["seller_discount"] - pay["platform_discount"]
    )
    assert pay["shipping_fee"] == (
        pay["original_shipping_fee"]
        - pay["shipping_fee_seller_discount"]
        - pay["shipping_fee_platform_discount"]
        - pay["shipping_fee_cofunded_discount"]
    )
    on_top = pay["tax"] if facts.shop == "us" else Decimal(0)
    assert pay["total_amount"] == pay["sub_total"] + pay["shipping_fee"] + on_top + sum(facts.fees.values())
    assert pay["original_total_product_price"] == sum(amount(line["original_price"]) for line in lines)
    assert pay["sub_total"] == sum(amount(line["sale_price"]) for line in lines)
    taxes = [amount(tax["tax_amount"]) for line in lines for tax in line.get("item_tax", ())]
    assert sum(taxes) == (pay["product_tax"] if facts.shop == "us" else 0)
    assert min(pay.values()) >= 0
    assert len({line["id"] for line in lines}) == len(lines)
    if facts.currency == "VND":
        assert all(value == int(value) for value in pay.values())


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), number=st.integers(1, 10**5))
def test_price_details_add_up(seed: int, number: int):
    facts = draw(seed, number, AT, Mix()).facts
    detail = price_detail(facts)
    lines = detail["line_items"]
    for name in ("sku_list_price", "sku_sale_price", "shipping_sale_price", "tax_amount", "subtotal"):
        assert amount(detail[name]) == sum(amount(line[name]) for line in lines)
    assert amount(detail["total"]) == amount(detail["sku_list_price"]) + amount(detail["shipping_list_price"])
    assert amount(detail["payment"]) == (
        amount(detail["sku_sale_price"])
        + amount(detail["shipping_sale_price"])
        + amount(detail["tax_amount"])
        + amount(detail.get("small_order_fee", "0"))
    )


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), number=st.integers(1, 10**5))
def test_facts_survive_being_kept(seed: int, number: int):
    facts = draw(seed, number, AT, Mix()).facts
    assert OrderFacts.from_json(facts.to_json(), facts.status, facts.released_at) == facts


def test_the_seller_is_owed_list_price_less_own_discounts_and_the_shipping_it_performs():
    world = new_world()
    line = Line("SKU-001", 2, price="35", seller_discount="7", platform_discount="5.2", tax="2.28")
    shipping = ShippingFacts(Decimal("6.25"), Decimal("1"), Decimal("2"), Decimal("0.25"), Decimal("0.24"))
    options = {"shipping": shipping, "fees": {"retail_delivery_fee": Decimal("0.28")}}
    own = world.place_order("us", [line], **options)
    other = world.place_order("us", [line], by_seller=False, **options)
    # 2 x (35 - 7), and of the shipping all but what the seller gave away.
    assert world.truth_of(own).owed == Decimal("61.00")
    assert world.truth_of(other).owed == Decimal("56")
    payment = world.order(own)["payment"]
    assert (payment["shipping_fee"], payment["tax"], payment["total_amount"]) == ("3", "4.8", "53.68")


def test_in_tax_inclusive_markets_the_tax_is_inside():
    world = new_world()
    line = Line("SKU-001", price="857610", seller_discount="343044", platform_discount="80000")
    payment = world.order(world.place_order("vn", [line]))["payment"]
    assert (payment["sub_total"], payment["total_amount"], payment["tax"]) == ("434566", "434566", "39506")


def test_packs_kits_bundles_and_bar_codes_say_which_items_they_take():
    world = new_world()
    sold = ["PACK-6-001", "KIT-001", "KIT-002", "BUNDLE-2", "000000000311", "SKU-001", "SKU-001"]
    assert world.truth_of(world.place_order("us", sold)).quantities == {
        "SKU-001": (Decimal(8), EACH),
        "KIT-001": (Decimal(1), EACH),
        "SKU-003": (Decimal(1), EACH),
        "SKU-004": (Decimal(1), EACH),
        "SKU-007": (Decimal(2), EACH),
        "SKU-008": (Decimal(1), EACH),
        "SKU-011": (Decimal(1), EACH),
    }


# Life (T 3.2)


def test_an_order_passes_all_states_as_time_goes_by():
    world = new_world()
    (order_id,) = world.draw_orders(1)
    seen = [world.truth_of(order_id).status]
    for _ in range(24 * 16):
        world.advance(3600)
        status = world.truth_of(order_id).status
        if status != seen[-1]:
            seen.append(status)
    life = ["ON_HOLD", "AWAITING_SHIPMENT", "AWAITING_COLLECTION", "IN_TRANSIT", "DELIVERED", "COMPLETED"]
    assert seen[-6:] == life
    order = world.order(order_id)
    assert order["rts_time"] <= order["collection_time"] <= order["delivery_time"]
    assert {line["display_status"] for line in order["line_items"]} == {"COMPLETED"}


def test_speed_shortens_life_but_not_the_clock():
    world = new_world(speed=60, mix=Mix.plain(shops={"uk": 1}))
    world.draw_orders(20)
    world.advance(64)
    assert set(world.stats()["uk"]) == {"AWAITING_SHIPMENT"}
    assert world.now() == DEFAULT_START + timedelta(seconds=64)


def test_without_shipping_orders_wait_to_be_shipped_until_tiktok_gives_them_up():
    world = new_world(mix=Mix.plain(shipped_by="nobody"))
    order_ids = world.draw_orders(10)
    world.advance(9 * 86_400)
    assert {status for statuses in world.stats().values() for status in statuses} == {"AWAITING_SHIPMENT"}
    world.advance(2 * 86_400)
    orders = [world.order(order_id) for order_id in order_ids]
    assert {(order["status"], order["cancellation_initiator"]) for order in orders} == {
        ("CANCELLED", "SYSTEM")
    }
    assert all(order["cancel_time"] == order["cancel_order_sla_time"] for order in orders)


def test_a_placed_order_stays_as_it_was_placed():
    world = new_world()
    order_id = world.place_order("us", ["SKU-001"], status="ON_HOLD")
    world.advance(7 * 86_400)
    assert world.truth_of(order_id).status == "ON_HOLD"


def test_an_unpaid_order_is_paid_held_and_released_by_hand():
    world = new_world()
    order_id = world.place_order("us", ["SKU-001"], status=Status.unpaid)
    assert "paid_time" not in world.order(order_id)
    world.pay(order_id)
    assert world.order(order_id)["paid_time"] == int(world.now().timestamp())
    assert not world.truth_of(order_id).should_be_posted
    world.release(order_id)
    assert world.truth_of(order_id).should_be_posted
    with pytest.raises(ValueError, match="too late or too early"):
        world.pay(order_id)


def test_cash_on_delivery_needs_no_payment():
    world = new_world(mix=Mix.plain(shops={"vn": 1}))
    orders = [world.order(order_id) for order_id in world.draw_orders(40)]
    cash = [order for order in orders if order["is_cod"]]
    assert cash
    assert all(order["status"] == "AWAITING_SHIPMENT" and "paid_time" not in order for order in cash)


def test_a_cancelled_line_stays_in_the_list_and_leaves_the_debt():
    world = new_world()
    order_id = world.place_order("us", [Line("SKU-001", price="10"), Line("SKU-002", price="4.5")])
    world.advance(60)
    line_id = world.cancel_line(order_id)
    order, truth = world.order(order_id), world.truth_of(order_id)
    states = {line["id"]: line["display_status"] for line in order["line_items"]}
    assert states[line_id] == "CANCELLED"
    assert Counter(states.values()) == {"AWAITING_SHIPMENT": 1, "CANCELLED": 1}
    assert (truth.owed, truth.quantities) == (Decimal(10), {"SKU-001": (Decimal(1), EACH)})
    assert order["update_time"] == order["create_time"] + 60
    with pytest.raises(ValueError, match="no unit"):
        world.cancel_line(order_id)


@pytest.mark.parametrize(("follows", "header"), [(True, "10"), (False, "14.5")])
def test_the_header_may_or_may_not_forget_cancelled_lines(follows: bool, header: str):
    world = new_world()
    lines = [Line("SKU-001", price="10"), Line("SKU-002", price="4.5")]
    order_id = world.place_order("us", lines, habits=Habits(header_follows=follows))
    world.cancel_line(order_id)
    assert world.order(order_id)["payment"]["sub_total"] == header


def test_a_cancelled_order_may_be_posted_only_if_it_once_could():
    world = new_world()
    held = world.place_order("us", ["SKU-001"], status="ON_HOLD")
    ready = world.place_order("us", ["SKU-001"])
    for order_id in (held, ready):
        world.cancel_order(order_id)
    assert [world.truth_of(one).may_be_posted for one in (held, ready)] == [False, True]
    assert not any(world.truth_of(one).should_be_posted for one in (held, ready))
    assert world.order(ready)["cancellation_initiator"] == "BUYER"


def test_a_moved_parcel_shows_the_new_address():
    world = new_world()
    order_id = world.place_order("us", ["SKU-001"])
    before = world.order(order_id)
    world.advance(5)
    moved = world.change_address(
        order_id, {**before["recipient_address"], "address_line1": "9 Elsewhere Road"}
    )
    order = world.order(order_id)
    assert order["has_updated_recipient_address"]
    assert order["recipient_address"]["address_line1"] == moved["address_line1"] == "9 Elsewhere Road"
    assert order["update_time"] == before["update_time"] + 5


def test_a_stray_sku_parks_its_order_until_it_is_cancelled():
    world = new_world()
    order_id = world.place_order("us", ["SKU-001", "NOBODY-KNOWS"])
    assert world.truth_of(order_id).expected_parked
    assert not world.truth_of(order_id).should_be_posted
    world.cancel_line(order_id)
    assert world.truth_of(order_id).should_be_posted


# Addresses (T 3.6)


@pytest.mark.parametrize("status", ["UNPAID", "ON_HOLD"])
def test_no_address_before_the_release(status: str):
    world = new_world()
    for _ in range(4):
        order = world.order(world.place_order("us", ["SKU-001"], status=status))
        assert order.get("recipient_address", {}) == {}


@pytest.mark.parametrize(
    ("shop", "options", "clear", "masked"),
    [
        ("us", {}, ("name", "phone_number", "postal_code"), ()),
        ("us", {"by_seller": False}, ("name", "phone_number"), ()),
        (
            "us",
            {"by_seller": False, "placed_at": datetime.fromisoformat("2026-09-01T00:00Z")},
            ("name",),
            ("phone_number", "address_line1"),
        ),
        ("us", {"by_tiktok_warehouse": True}, ("region_code",), ("name", "postal_code", "address_line1")),
        ("us", {"status": "CANCELLED"}, ("region_code",), ("name", "postal_code")),
        ("uk", {}, ("name", "address_line1"), ()),
        ("vn", {"by_seller": False}, ("postal_code",), ("name", "phone_number", "address_line1")),
    ],
)
def test_addresses_are_masked_as_the_market_does(shop, options, clear, masked):
    world = new_world()
    order_id = world.place_order(shop, ["SKU-001"], **options)
    shown, real = world.order(order_id)["recipient_address"], world.facts(order_id).address
    assert all(shown[name] == real[name] for name in clear)
    assert all("*" in shown[name] and shown[name] != real[name] for name in masked)
    assert [district["address_level"] for district in shown["district_info"]] == ["L0", "L1", "L2", "L3"]


# Lists


def test_a_hidden_order_is_in_no_list_but_answers_by_id():
    world = new_world()
    order_id = world.place_order("us", ["SKU-001"])
    assert listed(world) == [order_id]
    world.hide_order(order_id)
    assert listed(world) == []
    assert order_id in world.store.bodies([order_id])
    assert world.truth_of(order_id).should_be_posted
    world.hide_order(order_id, hidden=False)
    assert listed(world) == [order_id]


def test_a_late_order_shows_up_after_half_a_minute():
    faults = FaultPlan()
    world = new_world(faults=faults)
    faults.inject(FaultKind.late_visibility, "tiktok")
    order_id = world.place_order("us", ["SKU-001"])
    assert listed(world) == []
    world.advance(30)
    assert listed(world) == [order_id]


def test_a_stale_copy_shows_orders_as_they_were():
    world = new_world()
    order_id = world.place_order("us", ["SKU-001"])
    world.advance(100)
    world.cancel_order(order_id)
    world.place_order("us", ["SKU-002"])
    now = int(world.now().timestamp())
    (body,), count = world.store.page_as_of(Filter("us", "update_time"), 0, 10, now, 30)
    assert count == 1
    assert '"status":"AWAITING_SHIPMENT"' in body
    world.advance(31)
    bodies, _ = world.store.page_as_of(Filter("us", "update_time"), 0, 10, now + 31, 30)
    assert len(bodies) == 2


def test_a_spoiled_order_is_shown_as_spoiled_and_lives_no_more():
    world = new_world()
    order_id = world.place_order("us", ["SKU-001"], status="ON_HOLD", plan={"ON_HOLD": [(60, "release")]})
    world.advance(1)
    world.mutate(order_id, lambda order: order.update(line_items="none", id=1.5, note="\ud800"))
    world.advance(3600)
    assert world.order(order_id)["line_items"] == "none"
    assert world.order(order_id)["update_time"] == AT + 1
    assert world.store.page(Filter("us"), 0, 10, AT + 4000)[1] == 1
    assert not world.truth_of(order_id).should_be_posted


# Seeds and starts


def test_equal_seeds_give_equal_worlds():
    def bodies(seed: int) -> list[str]:
        world = World(clock=VirtualClock(), seed=seed, orders_per_minute=1)
        for _ in range(50):
            world.advance(300)
        return [body for shop in SHOPS for body in world.store.page(Filter(shop.key), 0, 100, 2**40)[0]]

    assert bodies(1) == bodies(1)
    assert bodies(1) != bodies(2)


def test_it_does_not_matter_how_often_the_world_is_looked_at():
    def truth(step: int) -> list[object]:
        world = World(clock=VirtualClock(), seed=4, orders_per_minute=0.3)
        for _ in range(86_400 // step):
            world.advance(step)
        return list(world.truth())

    assert truth(600) == truth(86_400)


def test_orders_arrive_at_about_the_rate_that_was_asked_for():
    world = new_world(orders_per_minute=10)
    world.advance(3600)
    assert 500 < sum(1 for _ in world.truth()) < 700
    world.set_rate(0)
    before = sum(1 for _ in world.truth())
    world.advance(3600)
    assert sum(1 for _ in world.truth()) == before


def test_a_mix_holds_every_sort_of_order():
    world = World(clock=VirtualClock(), seed=9)
    orders = [world.order(order_id) for order_id in world.draw_orders(1500)]
    world.advance(3 * 86_400)
    reasons = Counter(truth.reason for truth in world.truth())
    assert len(reasons) == 4
    assert {order["fulfillment_type"] for order in orders} == {
        "FULFILLMENT_BY_SELLER",
        "FULFILLMENT_BY_TIKTOK",
    }
    assert {order["shipping_type"] for order in orders} == {"SELLER", "TIKTOK"}
    for flag in ("is_sample_order", "is_replacement_order", "is_cod", "is_on_hold_order"):
        assert {order[flag] for order in orders} == {True, False}, flag
    lines = [line for order in orders for line in order["line_items"]]
    assert any(line["is_gift"] for line in lines)
    assert any(line.get("combined_listing_skus") for line in lines)
    assert {"PACK-6-001", "KIT-001", "KIT-002"} <= {line["seller_sku"] for line in lines}
    fees = {name for order in orders for name in order["payment"]}
    assert {"retail_delivery_fee", "small_order_fee", "item_insurance_fee", "handling_fee"} <= fees
    assert any(amount(order["payment"]["shipping_fee_cofunded_discount"]) for order in orders)


def test_samples_and_replacements_are_owed_nothing():
    world = World(clock=VirtualClock(), seed=2, mix=Mix.plain(sample=0.5, replacement=0.25, zero_price=0.25))
    world.draw_orders(200)
    assert {truth.owed for truth in world.truth()} == {Decimal(0)}


def test_a_second_start_goes_on_where_the_first_ended(tmp_path: Path):
    clock = VirtualClock()
    first = World(tmp_path, clock=clock, seed=1, orders_per_minute=1)
    first.advance(3 * 3600)
    before = list(first.truth())
    first.close()
    clock.advance(86_400)
    second = World(tmp_path, clock=clock, seed=1)
    assert second.now() == DEFAULT_START + timedelta(days=1, hours=3)
    second.catch_up()
    after = list(second.truth())
    assert [truth.order_id for truth in after] == [truth.order_id for truth in before]
    assert not any(truth.status == "ON_HOLD" for truth in after)
    assert second.place_order("us", ["SKU-001"]) not in {truth.order_id for truth in before}
    second.close()


def test_ids_are_too_long_for_floats():
    world = new_world()
    orders = [world.order(order_id) for order_id in world.draw_orders(50)]
    assert any(str(int(float(order["id"]))) != order["id"] for order in orders)


def test_who_ships_changes_nothing_of_what_is_ordered():
    def drawn(**mix: object) -> list[tuple[object, ...]]:
        drafts = [draw(5, number, AT, Mix(**mix)) for number in range(1, 300)]
        return [(one.facts.lines, one.facts.address, one.facts.by_seller, one.buyer) for one in drafts]

    assert drawn() == drawn(shipped_by="warehouse") == drawn(cancel_requested=1.0, delivery_failed=1.0)


def test_what_a_warehouse_has_to_cope_with_occurs_only_where_there_is_one_or_if_asked_for():
    assert Mix().rate("cancel_requested") == 0
    assert Mix(shipped_by="warehouse").rate("cancel_requested") > 0
    assert Mix.plain(shipped_by="warehouse").rate("cancel_requested") == 0
    assert Mix(cancel_requested=0.5).rate("cancel_requested") == 0.5


def test_deadlines_count_from_the_release():
    world = new_world()
    order_id = world.place_order("us", ["SKU-001"], status=Status.on_hold)
    world.advance(3600)
    world.release(order_id)
    order, released = world.order(order_id), AT + 3600
    assert order["rts_sla_time"] == released + 2 * 86_400
    assert order["rts_sla_time"] < order["tts_sla_time"] < order["cancel_order_sla_time"]
    assert order["shipping_due_time"] <= order["collection_due_time"] <= order["delivery_due_time"]
