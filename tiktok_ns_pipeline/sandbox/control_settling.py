"""The control API's part for returns and money: what buyers send back, TikTok settles and shows wrongly."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tiktok_ns_pipeline.sandbox.control_http import Row, Wish, answer, read
from tiktok_ns_pipeline.sandbox.settling_habits import StatementFault
from tiktok_ns_pipeline.sandbox.world import World


class _UnitsWish(Wish):
    line_ids: tuple[str, ...] = ()
    """None for all that are left."""


class _ReturnWish(_UnitsWish):
    type: Literal["REFUND", "RETURN_AND_REFUND", "REPLACEMENT"] = "RETURN_AND_REFUND"
    quick: bool = False


class _EditWish(_UnitsWish):
    type: Literal["REFUND", "RETURN_AND_REFUND", "REPLACEMENT"] | None = None


class _OfferWish(Wish):
    take: bool = True


class _ArbitrationWish(Wish):
    side: Literal["BUYER", "SELLER"]


class _AdjustmentWish(Wish):
    shop: str
    type: str = "OTHER_ADJUSTMENT"
    amount: Decimal
    """Signed as the seller sees it."""
    order_id: str = ""
    form: Literal["", "revenue", "bare"] = ""


class _TransferWish(Wish):
    shop: str
    amount: Decimal


class _FaultWish(Wish):
    kind: StatementFault
    subject: str
    """A statement's or payment's id, or a shop's key."""
    for_s: float | None = Field(None, gt=0)


class _HealWish(Wish):
    kind: StatementFault | None = None
    subject: str | None = None


class SettlingControl:
    """What the API does with the money of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def table(self) -> list[Row]:
        """Its endpoints."""
        return [
            ("GET", "/finance", self.truth),
            ("POST", "/orders/{order_id}/refund", self.refund),
            ("GET", "/returns", self.returns),
            ("POST", "/orders/{order_id}/return", self.ask_return),
            ("POST", "/returns/{return_id}/withdraw", self.withdraw),
            ("POST", "/returns/{return_id}/send", self.send_back),
            ("POST", "/returns/{return_id}/edit", self.edit_return),
            ("POST", "/returns/{return_id}/offer", self.answer_offer),
            ("POST", "/returns/{return_id}/escalate", self.escalate),
            ("POST", "/returns/{return_id}/arbitrate", self.arbitrate),
            ("POST", "/finance/adjustments", self.adjust),
            ("POST", "/finance/transfers", self.transfer),
            ("POST", "/finance/faults", self.spoil),
            ("DELETE", "/finance/faults", self.heal),
        ]

    async def truth(self, request: Request) -> Response:
        """What TikTok owes, has settled and has paid: by shop, payment and order."""
        self._world.catch_up()
        return answer(asdict(self._world.finance.truth()))

    async def refund(self, request: Request) -> Response:
        """TikTok refunds the buyer, everything or some units ({"line_ids": [...]})."""
        wish = await read(request, _UnitsWish)
        self._world.finance.refund(request.path_params["order_id"], wish.line_ids or None)
        return answer({"refunded": True})

    async def returns(self, request: Request) -> Response:
        """Every return, and what the books must show of it."""
        self._world.catch_up()
        return answer([asdict(one) for one in self._world.returns.truth()])

    async def ask_return(self, request: Request) -> Response:
        """The buyer wants to return units, or all ({"type": "REFUND"}: and keep them)."""
        wish = await read(request, _ReturnWish)
        order_id = request.path_params["order_id"]
        return_id = self._world.returns.ask(order_id, wish.line_ids or None, kind=wish.type, quick=wish.quick)
        return answer({"return_id": return_id}, 201)

    async def withdraw(self, request: Request) -> Response:
        """The buyer keeps everything after all."""
        self._world.returns.withdraw(request.path_params["return_id"])
        return answer({"withdrawn": True})

    async def send_back(self, request: Request) -> Response:
        """The buyer hands the goods to the carrier."""
        tracking = self._world.returns.send_back(request.path_params["return_id"])
        return answer({"tracking_number": tracking})

    async def edit_return(self, request: Request) -> Response:
        """The buyer asks for something else instead ({"line_ids": [...], "type": "REFUND"})."""
        wish = await read(request, _EditWish)
        return_id = request.path_params["return_id"]
        new_id = self._world.returns.disputes.edit(return_id, wish.line_ids or None, kind=wish.type)
        return answer({"return_id": new_id}, 201)

    async def answer_offer(self, request: Request) -> Response:
        """The buyer takes the part of the money that is offered, or refuses it ({"take": false})."""
        wish = await read(request, _OfferWish)
        disputes = self._world.returns.disputes
        (disputes.take_offer if wish.take else disputes.refuse_offer)(request.path_params["return_id"])
        return answer({"taken": wish.take})

    async def escalate(self, request: Request) -> Response:
        """The buyer calls TikTok about a rejection."""
        self._world.returns.disputes.escalate(request.path_params["return_id"])
        return answer({"escalated": True})

    async def arbitrate(self, request: Request) -> Response:
        """TikTok decides for one side ({"side": "BUYER"})."""
        wish = await read(request, _ArbitrationWish)
        self._world.returns.disputes.arbitrate(request.path_params["return_id"], wish.side)
        return answer({"decided_for": wish.side})

    async def adjust(self, request: Request) -> Response:
        """TikTok settles an adjustment ({"shop": "us", "type": "PLATFORM_PENALTY", "amount": "-5"})."""
        wish = await read(request, _AdjustmentWish)
        made = self._world.finance.adjust(
            wish.shop, wish.type, wish.amount, order_id=wish.order_id, form=wish.form
        )
        return answer({"adjustment_id": made.adjustment_id, "transaction_id": made.id}, 201)

    async def transfer(self, request: Request) -> Response:
        """A subsidy into a wallet, or a deduction ({"shop": "vn", "amount": "-20000"})."""
        wish = await read(request, _TransferWish)
        self._world.finance.payouts.transfer(wish.shop, wish.amount)
        return answer({"transferred": wish.amount}, 201)

    async def spoil(self, request: Request) -> Response:
        """Show a statement wrongly ({"kind": "unknown_fee", "subject": "<statement id>"})."""
        wish = await read(request, _FaultWish)
        self._world.finance.spoil(wish.kind, wish.subject, for_s=wish.for_s)
        return answer({"spoiled": wish.subject}, 201)

    async def heal(self, request: Request) -> Response:
        """Show everything rightly again, or what is named."""
        wish = await read(request, _HealWish)
        self._world.finance.heal(wish.kind, wish.subject)
        return answer({"healed": True})
