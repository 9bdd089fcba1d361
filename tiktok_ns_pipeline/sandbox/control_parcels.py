"""The control API's part for parcels and cancellations: what buyers and the staff in Seller Center do."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response

from tiktok_ns_pipeline.sandbox.cancel_reasons import BY_DEFAULT
from tiktok_ns_pipeline.sandbox.control_http import Row, Wish, answer, read
from tiktok_ns_pipeline.sandbox.world import World


class _ReasonWish(Wish):
    reason: str = BY_DEFAULT


class _UnitsWish(Wish):
    line_ids: tuple[str, ...] = ()
    """None for all that are open."""


class ParcelsControl:
    """What the API does with packages and cancellations of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def table(self) -> list[Row]:
        """Its endpoints."""
        return [
            ("GET", "/orders/{order_id}/packages", self.packages),
            ("POST", "/orders/{order_id}/label", self.buy_label),
            ("POST", "/orders/{order_id}/request-cancellation", self.request_cancellation),
            ("POST", "/cancellations/{cancel_id}/withdraw", self.withdraw),
        ]

    async def packages(self, request: Request) -> Response:
        """The order's packages and cancellations, past ones too."""
        order_id = request.path_params["order_id"]
        self._world.found(order_id)
        return answer(
            {
                "packages": [asdict(one) for one in self._world.packages_of(order_id)],
                "cancellations": [asdict(one) for one in self._world.cancellations_of(order_id)],
            }
        )

    async def buy_label(self, request: Request) -> Response:
        """The staff buys TikTok's label for the open units, or for some ({"line_ids": [...]})."""
        wish = await read(request, _UnitsWish)
        tracking = self._world.buy_label(request.path_params["order_id"], wish.line_ids)
        return answer({"tracking_number": tracking}, 201)

    async def request_cancellation(self, request: Request) -> Response:
        """The buyer asks to cancel; the seller has a day to answer."""
        wish = await read(request, _ReasonWish)
        cancel_id = self._world.request_cancellation(request.path_params["order_id"], wish.reason)
        return answer({"cancel_id": cancel_id}, 201)

    async def withdraw(self, request: Request) -> Response:
        """The buyer wants the order after all."""
        self._world.withdraw_cancellation(request.path_params["cancel_id"])
        return answer({"withdrawn": True})
