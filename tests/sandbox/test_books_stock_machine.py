"""Whatever people and channels do, each place's stock is what its documents say (N 2.8, 5.10)."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.sandbox.netsuite_account import account, customer, line, order_body, select
from tests.sandbox.stock_documents import adjustment, purchase_order, transfer_order, units
from tiktok_ns_pipeline.sandbox.books import BookError, Books

ITEMS = st.sampled_from(["301", "302"])
PLACES = st.sampled_from(["6", "7"])
SOME = st.integers(1, 6)
_START = 5
# Units of each stocked item in one unit of what is sold.
_PARTS = {"301": {"301": 1}, "302": {"302": 1}, "350": {"301": 1, "302": 2}}
_FIGURES = """
    SELECT item, location, quantityonhand, quantityavailable, quantitycommitted, quantitybackordered,
           quantityonorder, quantityintransit
    FROM inventoryitemlocations WHERE item IN (301, 302) AND location IN (6, 7)
"""


class Shelves(RuleBasedStateMachine):
    """Two items at two Locations; refusals are part of life."""

    @initialize()
    def open(self) -> None:
        self.books: Books = account()
        self.buyer = customer(self.books)
        for item in ("301", "302"):
            for place in ("6", "7"):
                self.books.set_stock(item, place, _START)
        self.on_hand: Counter[tuple[str, str]] = Counter()
        self.documents: dict[str, list[str]] = {}

    @rule(item=ITEMS, place=PLACES, by=st.integers(-8, 8).filter(bool))
    def count(self, item: str, place: str, by: int) -> None:
        adjustment(self.books, item, by, place)
        self.on_hand[item, place] += by

    @rule(sold=st.sampled_from(list(_PARTS)), place=PLACES, quantity=SOME, state=st.sampled_from("AB"))
    def sell(self, sold: str, place: str, quantity: int, state: str) -> None:
        body = order_body(self.buyer, line(sold, quantity, location={"id": place}), orderStatus={"id": state})
        self._keep("salesOrder", self.books.create("salesOrder", body).id)

    @rule(item=ITEMS, quantity=SOME, back=st.booleans())
    def send_over(self, item: str, quantity: int, back: bool) -> None:
        source, target = ("7", "6") if back else ("6", "7")
        self._keep("transferOrder", transfer_order(self.books, item, quantity, source, target))

    @rule(item=ITEMS, quantity=SOME, place=PLACES)
    def buy(self, item: str, quantity: int, place: str) -> None:
        self._keep("purchaseOrder", purchase_order(self.books, item, quantity, place))

    @precondition(lambda self: self.documents.get("salesOrder"))
    @rule(index=st.integers(0, 9), what=st.sampled_from(["approve", "close", "reopen", "more"]))
    def change(self, index: int, what: str) -> None:
        changes: dict[str, dict[str, Any]] = {
            "approve": {"orderStatus": {"id": "B"}},
            "close": {"item": {"items": [{"line": 1, "isClosed": True}]}},
            "reopen": {"item": {"items": [{"line": 1, "isClosed": False}]}},
            "more": {"item": {"items": [{"line": 1, "quantity": 9}]}},
        }
        chosen = self._chosen("salesOrder", index)
        self._try(lambda: self.books.patch("salesOrder", chosen, changes[what]))

    @precondition(lambda self: self.documents)
    @rule(index=st.integers(0, 9), quantity=SOME, data=st.data())
    def follow_up(self, index: int, quantity: int, data: st.DataObject) -> None:
        sources = [one for one in ("salesOrder", "transferOrder", "purchaseOrder") if self.documents.get(one)]
        if not sources:
            return
        source = data.draw(st.sampled_from(sources))
        targets = {"salesOrder": ["itemFulfillment"], "purchaseOrder": ["itemReceipt"]}
        target = data.draw(st.sampled_from(targets.get(source, ["itemFulfillment", "itemReceipt"])))
        body: dict[str, Any] = units(1, quantity)
        if target == "itemFulfillment":
            body["shipStatus"] = {"id": "C"}

        def act() -> None:
            made = self.books.transform(source, self._chosen(source, index), target, body).id
            self._keep(target, made)
            self._moved(target, made, 1)

        self._try(act)

    @precondition(lambda self: any(self.documents.get(one) for one in ("itemFulfillment", "itemReceipt")))
    @rule(index=st.integers(0, 9), kind=st.sampled_from(["itemFulfillment", "itemReceipt"]))
    def undo(self, index: int, kind: str) -> None:
        def act() -> None:
            chosen = self._chosen(kind, index)
            before = self.books.record(kind, chosen)
            self.books.delete(kind, chosen)
            self._count_moved(before, -1)
            self.documents[kind].remove(chosen)

        if self.documents.get(kind):
            self._try(act)

    @invariant()
    def on_hand_is_what_the_documents_say(self) -> None:
        for (item, place), figures in self._places().items():
            assert figures.on_hand == _START + self.on_hand[item, place]

    @invariant()
    def committed_and_available_are_on_hand(self) -> None:
        asked = self._asked()
        for place, figures in self._places().items():
            assert figures.committed + figures.available == figures.on_hand
            assert figures.committed == min(max(figures.on_hand, D(0)), asked[place])
            assert figures.committed + figures.backordered == asked[place]

    @invariant()
    def what_orders_hold_adds_up(self) -> None:
        for place, figures in self._places().items():
            assert sum(self.books.stock(*place).held_by.values()) == figures.committed

    @invariant()
    def queries_tell_the_same(self) -> None:
        rows = {(row["item"], row["location"]): row for row in select(self.books, _FIGURES)}
        for place, figures in self._places().items():
            row = rows[place]
            assert {name: D(value) for name, value in row.items() if name.startswith("quantity")} == {
                "quantityonhand": figures.on_hand,
                "quantityavailable": figures.available,
                "quantitycommitted": figures.committed,
                "quantitybackordered": figures.backordered,
                **({"quantityonorder": figures.on_order} if figures.on_order else {}),
                **({"quantityintransit": figures.in_transit} if figures.in_transit else {}),
            }

    @invariant()
    def in_transit_and_on_order_are_never_negative(self) -> None:
        for figures in self._places().values():
            assert min(figures.in_transit, figures.on_order) >= 0

    def _places(self) -> dict[tuple[str, str], Any]:
        stock = self.books.all_stock()
        return {(item, place): stock[item, place] for item in ("301", "302") for place in ("6", "7")}

    def _asked(self) -> Counter[tuple[str, str]]:
        """What open lines still ask for, from the records alone."""
        asked: Counter[tuple[str, str]] = Counter()
        for identifier in self.documents.get("salesOrder", ()):
            record = self.books.record("salesOrder", identifier)
            [one] = record.lines()
            if record.get("status") in "BDE" and not one["isClosed"]:
                for item, number in _PARTS[one["item"]].items():
                    still = one["quantity"] - one["quantityFulfilled"]
                    asked[item, one["location"]] += number * still
        for identifier in self.documents.get("transferOrder", ()):
            record = self.books.record("transferOrder", identifier)
            [one] = record.lines()
            asked[one["item"], record.get("location")] += one["quantity"] - one["quantityFulfilled"]
        return asked

    def _moved(self, kind: str, identifier: str, sign: int) -> None:
        self._count_moved(self.books.record(kind, identifier), sign)

    def _count_moved(self, record: Any, sign: int) -> None:
        direction = sign if record.type.name == "itemReceipt" else -sign
        for one in record.lines():
            if one["itemType"] != "Kit":
                self.on_hand[one["item"], one["location"]] += direction * int(one["quantity"])

    def _keep(self, kind: str, identifier: str) -> None:
        self.documents.setdefault(kind, []).append(identifier)

    def _chosen(self, kind: str, index: int) -> str:
        return self.documents[kind][index % len(self.documents[kind])]

    def _try(self, act: Callable[[], object]) -> None:
        before = self._places()
        try:
            act()
        except BookError:
            assert self._places() == before, "a refusal leaves everything as it was"


TestShelves = Shelves.TestCase
TestShelves.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
