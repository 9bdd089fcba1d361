"""Books with a warehouse over them, and orders of the channel to ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.sandbox.netsuite_account import Json, account, customer, fields_of, line, order, select
from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.warehouse import Warehouse, WarehouseHabits

DAY = 86_400.0


class Floor:
    """A warehouse on a clock that only tests move."""

    def __init__(self, directory: Path | None = None, books: Books | None = None, **options: Any) -> None:
        self.books = books or account(directory)
        habits = WarehouseHabits.steady(**options.pop("habits", {}))
        clock: Any = self.books.clock
        self.clock = clock
        self.warehouse = Warehouse(
            self.books, clock, habits=options.pop("of", habits), directory=directory, **options
        )
        self._buyers: dict[str, str] = {}

    def order(self, order_id: str, *lines: Json, subsidiary: str = "1", **fields: Any) -> str:
        """A Sales Order as the pipeline posts it; its internal id."""
        if subsidiary not in self._buyers:
            self._buyers[subsidiary] = customer(self.books, subsidiary)
        fields = {"custbody_tts_order_id": order_id, "custbody_tts_fulfillment": "seller", **fields}
        lines = lines or (units("301", order_id),)
        buyer = self._buyers[subsidiary]
        return order(self.books, *lines, customer_id=buyer, **fields)

    def wait(self, seconds: float) -> int:
        """Let time pass; tells how many steps people did."""
        self.warehouse.catch_up()
        self.clock.advance(seconds)
        return self.warehouse.catch_up()

    def steps(self, seconds: float = 10 * DAY) -> list[tuple[str, str]]:
        """Every state that the books' fulfilments go through until nothing is planned."""
        before, seen = self._states(), list[tuple[str, str]]()
        until = self.clock.now().timestamp() + seconds
        while (due := self.warehouse.next_due()) is not None and due <= until:
            self.clock.advance(max(due - self.clock.now().timestamp() + 0.01, 0))
            self.warehouse.catch_up()
            after = self._states()
            seen += [one for one in after if one not in before]
            before = after
        return seen

    def _states(self) -> list[tuple[str, str]]:
        return [(one["id"], one["status"]["id"]) for one in self.books.records("itemFulfillment")]

    def fulfilments(self) -> list[Json]:
        """The fulfilments in plain form."""
        return [
            fields_of(self.books, "itemFulfillment", one["id"])
            for one in self.books.records("itemFulfillment")
        ]

    def status(self, sales_order: str) -> str:
        """State of a Sales Order."""
        return fields_of(self.books, "salesOrder", sales_order)["status"]

    def tracking(self) -> list[str]:
        """Tracking numbers as queries show them."""
        rows = select(
            self.books,
            "SELECT n.trackingnumber FROM trackingnumbermap m"
            " JOIN trackingnumber n ON n.id = m.trackingnumber ORDER BY m.transaction, n.id",
        )
        return [row["trackingnumber"] for row in rows]


def units(item: str, order_id: str, quantity: int = 1, first: int = 1, **fields: Any) -> Json:
    """A line that stands for `quantity` units of the channel, numbered on from `first`."""
    ids = ",".join(f"{order_id}-{number}" for number in range(first, first + quantity))
    return line(item, quantity, custcol_tts_line_ids=ids, **fields)
