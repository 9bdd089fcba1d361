"""The seller's warehouse: what happens to an order by itself, and when it does not."""

import tempfile
from decimal import Decimal as D
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.netsuite_account import fields_of, line, select
from tests.sandbox.warehouse_floor import DAY, Floor, units
from tiktok_ns_pipeline.sandbox.books import BookError
from tiktok_ns_pipeline.sandbox.warehouse import WarehouseHabits
from tiktok_ns_pipeline.sandbox.warehouse.carriers import BY_COUNTRY, UNHEARD_OF

HOUR = 3_600.0
WILD = WarehouseHabits(
    partial=0.5,
    several_parcels=0.3,
    late_tracking=0.4,
    corrected_tracking=0.4,
    unpicked=0.4,
    reopened=0.4,
    no_carrier=0.2,
    unmapped_carrier=0.2,
)


class TestAnOrdinaryOrder:
    def test_is_picked_packed_and_shipped_with_carrier_and_number(self) -> None:
        floor = Floor()
        made = floor.order("576")
        assert [state for _, state in floor.steps()] == ["A", "B", "C"]
        [shipped] = floor.fulfilments()
        assert floor.status(made) == "F"
        assert shipped["shippedDate"] == floor.books.today()
        [row] = select(
            floor.books,
            "SELECT BUILTIN.DF(f.shipmethod) AS carrier, f.status, o.custbody_tts_order_id AS of_order"
            " FROM transaction f JOIN transactionline l ON l.transaction = f.id AND l.mainline = 'F'"
            " JOIN transaction o ON o.id = l.createdfrom WHERE f.type = 'ItemShip' AND l.iscogs = 'F'",
        )
        assert row["carrier"] in {one.name for one in BY_COUNTRY["US"]}
        assert (row["status"], row["of_order"]) == ("C", "576")
        assert len(floor.tracking()) == 1

    def test_takes_hours_at_speed_one_and_minutes_at_speed_sixty(self) -> None:
        slow, fast = Floor(), Floor(speed=60)
        for floor in (slow, fast):
            floor.order("576")
            floor.wait(0.2 * HOUR)
        assert fast.fulfilments()[0]["shipStatus"] == "C"
        assert all(one["shipStatus"] != "C" for one in slow.fulfilments())

    def test_is_caught_up_with_after_a_long_absence(self) -> None:
        floor = Floor()
        floor.order("576")
        assert floor.wait(3 * DAY) == 3
        assert floor.fulfilments()[0]["shipStatus"] == "C"

    @pytest.mark.parametrize(("subsidiary", "location", "country"), [("2", "9", "GB"), ("3", "10", "VN")])
    def test_goes_by_a_carrier_of_its_country(self, subsidiary: str, location: str, country: str) -> None:
        floor = Floor()
        floor.order("576", units("301", "576", location={"id": location}), subsidiary=subsidiary)
        floor.steps()
        assert floor.fulfilments()[0]["shipMethod"] in {one.ship_method for one in BY_COUNTRY[country]}

    def test_a_kit_leaves_whole(self) -> None:
        floor = Floor()
        floor.order("576", units("350", "576", 2))
        floor.steps()
        assert [one["item"] for one in floor.fulfilments()[0]["item"]] == ["350", "301", "302"]

    def test_the_same_seed_ships_the_same_way(self) -> None:
        found: list[list[str]] = []
        for _ in range(2):
            floor = Floor(seed=7)
            for number in range(5):
                floor.order(f"57{number}")
            floor.steps()
            found.append(floor.tracking())
        assert found[0] == found[1]


class TestLeftAlone:
    def test_what_the_channel_ships_itself(self) -> None:
        floor = Floor()
        floor.order("576", custbody_tts_fulfillment="channel")
        assert floor.warehouse.next_due() is None

    def test_orders_of_others(self) -> None:
        floor = Floor()
        floor.order("576", custbody_tts_order_id=None)
        assert floor.warehouse.next_due() is None

    def test_an_order_closed_before_the_pick_never_leaves(self) -> None:
        floor = Floor()
        made = floor.order("576")
        floor.warehouse.catch_up()
        floor.books.patch("salesOrder", made, {"item": {"items": [{"line": 1, "isClosed": True}]}})
        assert floor.steps() == []

    def test_an_order_that_awaits_approval_until_it_is_approved(self) -> None:
        floor = Floor()
        made = floor.order("576", orderStatus={"id": "A"})
        assert floor.steps() == []
        floor.books.patch("salesOrder", made, {"orderStatus": {"id": "B"}})
        assert floor.steps()[-1][1] == "C"

    def test_what_is_out_of_stock_until_goods_arrive(self) -> None:
        floor = Floor()
        floor.books.set_stock("301", "6", 0)
        made = floor.order("576")
        assert floor.steps() == []
        floor.books.set_stock("301", "6", 3)
        floor.steps()
        assert (floor.status(made), floor.books.stock("301", "6").on_hand) == ("F", 2)

    def test_everything_in_a_warehouse_at_rest(self) -> None:
        floor = Floor(works=False)
        floor.order("576")
        assert floor.steps() == []


class TestHabits:
    def test_one_line_leaves_first_and_the_rest_days_later(self) -> None:
        floor = Floor(habits={"partial": 1.0})
        made = floor.order("576", units("301", "576"), units("302", "576", 1, first=2))
        floor.wait(11 * HOUR)
        assert (len(floor.fulfilments()), floor.status(made)) == (1, "E")
        floor.wait(3 * DAY)
        assert (len(floor.fulfilments()), floor.status(made)) == (2, "F")

    def test_some_units_of_the_only_line_leave_first_and_each_unit_once(self) -> None:
        floor = Floor(habits={"partial": 1.0})
        floor.order("576", units("301", "576", 5))
        floor.steps()
        first, second = floor.warehouse.shipped()
        ids = [one.line_ids for wave in (first, second) for one in wave.lines]
        assert sorted(sum(ids, ())) == [f"576-{number}" for number in range(1, 6)]
        assert [len(one.line_ids) == one.quantity for wave in (first, second) for one in wave.lines]

    def test_components_of_one_unit_stay_together(self) -> None:
        floor = Floor(habits={"partial": 1.0})
        floor.order("576", units("303", "576"), units("304", "576"), units("305", "576", 1, first=2))
        floor.steps()
        together = {frozenset(one.order_line for one in wave.lines) for wave in floor.warehouse.shipped()}
        assert together == {frozenset({1, 2}), frozenset({3})}

    def test_several_parcels_have_a_number_each(self) -> None:
        floor = Floor(habits={"several_parcels": 1.0})
        floor.order("576")
        floor.steps()
        assert len(set(floor.tracking())) == len(floor.tracking()) in {2, 3}

    def test_tracking_may_come_hours_after_shipping(self) -> None:
        floor = Floor(habits={"late_tracking": 1.0, "until_tracking": (DAY, DAY)})
        floor.order("576")
        floor.wait(12 * HOUR)
        assert (floor.fulfilments()[0]["shipStatus"], floor.tracking()) == ("C", [])
        floor.wait(DAY)
        assert len(floor.tracking()) == 1

    def test_tracking_may_be_corrected(self) -> None:
        floor = Floor(habits={"corrected_tracking": 1.0, "until_corrected": (DAY, DAY)})
        floor.order("576")
        floor.wait(12 * HOUR)
        [first] = floor.tracking()
        floor.wait(DAY)
        [second] = floor.tracking()
        assert first != second
        assert floor.warehouse.shipped()[0].tracking == (second,)

    def test_a_pick_may_be_put_back_and_made_again(self) -> None:
        floor = Floor(habits={"unpicked": 1.0})
        floor.order("576")
        steps = floor.steps()
        assert [state for _, state in steps] == ["A", "A", "B", "C"]
        assert len({identifier for identifier, _ in steps}) == 2

    def test_a_shipment_may_be_taken_back_and_leave_again(self) -> None:
        floor = Floor(habits={"reopened": 1.0})
        floor.order("576")
        assert [state for _, state in floor.steps()] == ["A", "B", "C", "B", "C"]
        [shipped] = floor.warehouse.shipped()
        assert shipped.stands
        assert len(floor.tracking()) == 1

    def test_the_carrier_may_be_left_empty_or_be_unheard_of(self) -> None:
        silent, odd = Floor(habits={"no_carrier": 1.0}), Floor(habits={"unmapped_carrier": 1.0})
        for floor in (silent, odd):
            floor.order("576")
            floor.steps()
        assert "shipMethod" not in silent.fulfilments()[0]
        assert odd.fulfilments()[0]["shipMethod"] == UNHEARD_OF.ship_method


class TestLabels:
    def test_a_label_is_bought_when_the_goods_are_packed_and_its_number_used(self) -> None:
        bought: list[tuple[str, tuple[str, ...]]] = []

        def buy(order_id: str, line_ids: object) -> str:
            bought.append((order_id, tuple(line_ids)))  # type: ignore[call-overload]
            return "9400100000000000000001"

        floor = Floor(label_needed=lambda order_id: order_id == "576", buy_label=buy)
        floor.order("576", units("301", "576", 2))
        floor.order("577")
        floor.steps()
        assert bought == [("576", ("576-1", "576-2"))]
        numbers = {one.order_id: one.tracking for one in floor.warehouse.shipped()}
        assert numbers["576"] == ("9400100000000000000001",)
        assert numbers["577"] != numbers["576"]

    def test_without_a_label_the_parcel_waits(self) -> None:
        on_hold = True

        def buy(order_id: str, line_ids: object) -> str | None:
            return None if on_hold else "9400100000000000000001"

        floor = Floor(label_needed=lambda _: True, buy_label=buy)
        floor.order("576")
        floor.wait(8 * HOUR)
        assert floor.fulfilments()[0]["shipStatus"] == "A"
        on_hold = False
        floor.wait(2 * DAY)
        assert floor.fulfilments()[0]["shipStatus"] == "C"

    def test_goods_that_never_get_a_label_are_put_back(self) -> None:
        floor = Floor(label_needed=lambda _: True, buy_label=lambda *_: None)
        made = floor.order("576")
        floor.steps(3 * DAY)
        assert (floor.fulfilments(), floor.status(made)) == ([], "B")
        floor.books.patch("salesOrder", made, {"item": {"items": [{"line": 1, "isClosed": True}]}})
        floor.steps()
        assert (floor.fulfilments(), floor.warehouse.next_due()) == ([], None)


class TestTold:
    def test_an_order_ships_at_once_whatever_state_it_is_in(self) -> None:
        floor = Floor(habits={"partial": 1.0})
        made = floor.order("576", units("301", "576"), units("302", "576", 1, first=2))
        floor.wait(4 * HOUR)  # one line is picked
        shipped = floor.warehouse.fulfil("576", tracking=["ABC123"], carrier="usps priority mail")
        assert (len(shipped), floor.status(made)) == (2, "F")
        assert {one["shipMethod"] for one in floor.fulfilments()} == {"4723"}
        assert floor.tracking() == ["ABC123", "ABC123"]
        assert floor.steps() == []

    def test_some_units_may_be_named(self) -> None:
        floor = Floor(works=False)
        made = floor.order("576", units("301", "576", 3))
        [picked] = floor.warehouse.fulfil("576", {1: D(2)}, status="A", carrier="")
        assert (floor.status(made), fields_of(floor.books, "itemFulfillment", picked)["status"]) == ("B", "A")
        with pytest.raises(ValueError, match="nothing open"):
            floor.warehouse.fulfil("576", {2: D(1)})
        with pytest.raises(BookError):
            floor.warehouse.fulfil("576", {1: D(2)})

    def test_what_is_unknown_is_said(self) -> None:
        floor = Floor()
        floor.order("576")
        with pytest.raises(LookupError, match="order 577"):
            floor.warehouse.fulfil("577")
        with pytest.raises(ValueError, match="UPS Ground"):
            floor.warehouse.fulfil("576", carrier="Pigeon")
        with pytest.raises(BookError):
            floor.warehouse.delete("1")

    def test_a_deleted_shipment_vanishes_for_good_unless_it_is_to_be_made_again(self) -> None:
        floor = Floor()
        for order_id in ("576", "577"):
            floor.order(order_id)
            floor.warehouse.delete(floor.warehouse.fulfil(order_id)[0], again=order_id == "577")
        floor.steps()
        assert {one.order_id: one.stands for one in floor.warehouse.shipped()} == {"576": False, "577": True}

    @pytest.mark.parametrize("waited", [1 * HOUR, 4.5 * HOUR, 2 * DAY])
    def test_what_others_delete_is_made_again_with_the_same_units(self, waited: float) -> None:
        floor = Floor()
        made = floor.order("576", units("301", "576", 2))
        floor.wait(waited)
        for one in floor.books.made_from(made, "itemFulfillment"):
            floor.books.delete("itemFulfillment", one.id)
        floor.steps()
        [standing] = [one for one in floor.warehouse.shipped() if one.stands]
        assert [one.line_ids for one in standing.lines] == [("576-1", "576-2")]

    def test_what_was_taken_back_can_be_shipped_again(self) -> None:
        floor = Floor()
        floor.order("576")
        [shipped] = floor.warehouse.fulfil("576")
        floor.warehouse.unship(shipped)
        assert floor.warehouse.fulfil("576") == [shipped]
        assert floor.warehouse.shipped()[0].stands

    def test_a_shipment_can_be_taken_back_and_its_number_corrected(self) -> None:
        floor = Floor()
        floor.order("576")
        [shipped] = floor.warehouse.fulfil("576")
        floor.warehouse.correct_tracking(shipped, ["NEW1", "NEW2"])
        floor.warehouse.unship(shipped)
        [truth] = floor.warehouse.shipped()
        assert (truth.stands, truth.tracking) == (False, ("NEW1", "NEW2"))
        assert floor.steps() == []


class TestTruth:
    def test_it_says_which_units_left_when(self) -> None:
        floor = Floor()
        made = floor.order("576", units("301", "576", 2))
        floor.wait(3 * DAY)
        [truth] = floor.warehouse.shipped()
        [left] = truth.lines
        assert (truth.order_id, truth.sales_order_id, truth.stands) == ("576", made, True)
        assert (left.order_line, left.item_id, left.quantity) == (1, "301", 2)
        assert left.line_ids == ("576-1", "576-2")
        assert truth.shipped_at == floor.clock.now()

    def test_the_first_pick_is_remembered_even_if_it_was_put_back(self) -> None:
        floor = Floor(habits={"unpicked": 1.0})
        floor.order("576")
        floor.wait(5 * HOUR)
        steps = floor.warehouse.first_steps("576")
        assert steps.picked_at is not None
        assert steps.shipped_at is None
        assert floor.warehouse.first_steps("577").picked_at is None

    def test_a_stopped_warehouse_goes_on_where_it_was(self, tmp_path: Path) -> None:
        first = Floor(tmp_path, habits={"partial": 1.0})
        first.order("576", units("301", "576", 4))
        first.wait(12 * HOUR)
        before = first.warehouse.shipped()
        first.warehouse.close()
        first.books.close()
        again = Floor(tmp_path, habits={"partial": 1.0})
        again.clock.advance(12 * HOUR)
        assert again.warehouse.shipped() == before != []
        again.steps()
        assert sum(one.quantity for wave in again.warehouse.shipped() for one in wave.lines) == 4

    def test_a_pick_made_just_before_the_end_is_recognised(self, tmp_path: Path) -> None:
        first = Floor(tmp_path)
        made = first.order("576", units("301", "576", 2))
        first.warehouse.catch_up()
        lines = {"items": [{"orderLine": 1, "quantity": 1}]}
        body = {"externalId": f"wms-{made}-1", "shipStatus": {"id": "A"}, "item": lines}
        first.books.transform("salesOrder", made, "itemFulfillment", body)
        first.steps()
        assert [one["item"][0]["quantity"] for one in first.fulfilments()] == [1, 1]
        ids = [one.line_ids for wave in first.warehouse.shipped() for one in wave.lines]
        assert ids == [("576-1",), ("576-2",)]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    orders=st.lists(
        st.lists(
            st.tuples(st.sampled_from(["301", "302", "350"]), st.integers(1, 4)), min_size=1, max_size=3
        ),
        min_size=1,
        max_size=4,
    ),
    closed=st.sets(st.integers(0, 3)),
)
def test_whatever_people_do_each_unit_leaves_once_and_closed_orders_never(
    seed: int, orders: list[list[tuple[str, int]]], closed: set[int]
) -> None:
    floor = Floor(of=WILD, seed=seed)
    made: list[str] = []
    for number, wanted in enumerate(orders):
        lines, first = [], 1
        for item, quantity in wanted:
            lines.append(units(item, f"57{number}", quantity, first))
            first += quantity
        made.append(floor.order(f"57{number}", *lines, line("902", None, "-1", location=None)))
    floor.warehouse.catch_up()
    for number in closed & set(range(len(made))):
        count = len(orders[number]) + 1
        lines = [{"line": index, "isClosed": True} for index in range(1, count + 1)]
        floor.books.patch("salesOrder", made[number], {"item": {"items": lines}})
    floor.steps(60 * DAY)
    for number, sales_order in enumerate(made):
        ids = [
            one_id
            for wave in floor.warehouse.shipped()
            if wave.sales_order_id == sales_order and wave.stands
            for one in wave.lines
            for one_id in one.line_ids
        ]
        total = sum(quantity for _, quantity in orders[number])
        expected = [] if number in closed else [f"57{number}-{unit}" for unit in range(1, total + 1)]
        assert sorted(ids, key=lambda one: int(one.split("-")[1])) == expected
        assert floor.status(sales_order) == ("H" if number in closed else "F")
    assert floor.warehouse.next_due() is None
    assert all(one["shipStatus"] == "C" for one in floor.fulfilments())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), naps=st.lists(st.floats(0.1, 30), min_size=1, max_size=6))
def test_stopping_changes_nothing_of_what_leaves(seed: int, naps: list[float]) -> None:
    def place(floor: Floor) -> None:
        floor.order("576", units("301", "576", 3), units("302", "576", 2, first=4))
        floor.order("577", units("350", "577", 4))

    through = Floor(of=WILD, seed=seed)
    place(through)
    through.steps(60 * DAY)
    with tempfile.TemporaryDirectory() as folder:
        floor = Floor(Path(folder), of=WILD, seed=seed)
        place(floor)
        for hours in naps:
            floor.wait(hours * HOUR)
            now = floor.clock.now()
            floor.warehouse.close()
            floor.books.close()
            floor = Floor(Path(folder), of=WILD, seed=seed)
            floor.clock.advance((now - floor.clock.now()).total_seconds())
        floor.steps(60 * DAY)
        assert _left(floor) == _left(through)
        floor.warehouse.close()
        floor.books.close()


def _left(floor: Floor) -> list[str]:
    return sorted(
        repr((one.order_id, one.lines, one.tracking, one.carrier, one.stands))
        for one in floor.warehouse.shipped()
    )


def test_looking_costs_next_to_nothing_however_many_orders_there_are() -> None:
    floor = Floor()
    for number in range(300):
        floor.order(str(1_000 + number))
    floor.wait(10 * DAY)
    asked: list[str] = []
    find = floor.books.find
    floor.books.find = lambda target, identifier: asked.append(target) or find(target, identifier)  # type: ignore[method-assign,func-returns-value]
    for _ in range(100):
        assert floor.warehouse.catch_up() == 0
    assert asked == []
