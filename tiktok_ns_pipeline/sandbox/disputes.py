"""What becomes of a return that buyer and seller do not agree on (T 6.2, 6.4).

The buyer edits the request: it ends, and another takes its place. The seller offers a part of the money,
which the buyer takes or refuses. The seller rejects, the buyer calls TikTok, and TikTok decides; when it
decides for the seller after all, the buyer keeps the money and TikTok makes up for it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tiktok_ns_pipeline.sandbox.returns import REPLACEMENT, Return, ReturnStatus

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.returning import Returning
    from tiktok_ns_pipeline.sandbox.world import World

IN_PROGRESS, FOR_BUYER, FOR_SELLER = "IN_PROGRESS", "SUPPORT_BUYER", "SUPPORT_SELLER"

_EDITABLE = {ReturnStatus.pending, ReturnStatus.awaiting_ship, ReturnStatus.replacement_pending}
_ESCALATES = {ReturnStatus.rejected, ReturnStatus.not_received}
_DAY = 86_400


class Disputes:
    """The disagreements of a world."""

    def __init__(self, world: World, returns: Returning) -> None:
        self._world = world
        self._returns = returns

    # What buyers do

    def edit(self, return_id: str, line_ids: Sequence[str] | None = None, *, kind: str | None = None) -> str:
        """The buyer asks for something else instead, of the same units unless others are named; gives the
        new return id. Raises ValueError when it is too late."""
        with self._world.changing():
            old, at = self._returns.known(return_id), self._world.epoch()
            if old.status not in _EDITABLE:
                raise ValueError(f"return {return_id} is {old.status}: it cannot be edited")
            ended = ReturnStatus.replacement_cancelled if old.type == REPLACEMENT else ReturnStatus.cancelled
            self._returns.enter(old, ended, at, old.role)
            order = self._world.found(old.order_id)
            units = old.line_ids if line_ids is None else line_ids
            new = self._returns.begin(
                order, at, units, kind or old.type, old.reason, old.role, quick=old.quick, instead_of=old.id
            )
            old.next_id = new.id
            self._returns.store.save(old)
            return new.id

    def take_offer(self, return_id: str) -> None:
        """The buyer is content with a part of the money, and keeps the goods."""
        with self._world.changing():
            one = self._offered(return_id)
            one.taken = True
            self._returns.enter(one, ReturnStatus.success, self._world.epoch(), "BUYER")

    def refuse_offer(self, return_id: str) -> None:
        """The buyer wants what was asked for; the seller answers anew."""
        with self._world.changing():
            one = self._offered(return_id)
            one.offer_refused = True
            self._returns.enter(one, ReturnStatus.pending, self._world.epoch(), "BUYER")

    def escalate(self, return_id: str) -> None:
        """The buyer calls TikTok about a rejection; raises ValueError when there is none, TikTok has
        decided, or another request was made of the same units."""
        with self._world.changing():
            one = self._returns.known(return_id)
            if one.status not in _ESCALATES or one.arbitration:
                raise ValueError(f"return {return_id} is {one.status}: there is nothing to arbitrate")
            if set(one.line_ids) & self._returns.taken(one.order_id):
                raise ValueError(f"return {return_id} has units that are in another return")
            self._decided(one, IN_PROGRESS, "BUYER")

    # What TikTok does

    def arbitrate(self, return_id: str, side: Literal["BUYER", "SELLER"]) -> None:
        """TikTok decides; for the seller also after it had decided for the buyer. Raises ValueError when
        there is nothing to decide."""
        with self._world.changing():
            one = self._returns.known(return_id)
            reverses = one.arbitration == FOR_BUYER and one.status is ReturnStatus.complete
            if one.arbitration != IN_PROGRESS and not (reverses and side == "SELLER"):
                raise ValueError(f"return {return_id} is not with TikTok: there is nothing to arbitrate")
            self._decided(one, FOR_BUYER if side == "BUYER" else FOR_SELLER, "OPERATOR")
            if side == "BUYER":
                self._returns.enter(one, ReturnStatus.success, self._world.epoch(), "OPERATOR")
            elif reverses:
                self._compensate(one)

    # What happens by chance

    def followed(self, one: Return, at: int, chance: random.Random) -> None:
        """The return entered a state in which people may not leave it at that."""
        later = at + chance.uniform(0.2, 1.5) * _DAY / self._world.later_speed
        odd = chance.random()
        if one.status is ReturnStatus.pending and not one.pre_id and not one.offer and odd < 0.1:
            self._returns.later(one, later, "edit")
        elif one.status is ReturnStatus.awaiting_buyer:
            self._returns.later(one, later, "take" if odd < 0.6 else "refuse")
        elif one.status in _ESCALATES and odd < 0.4:
            self._returns.later(one, later, "escalate")
            self._returns.later(one, later + 3 * _DAY / self._world.later_speed, "arbitrate")

    def happen(self, what: str, one: Return, chance: random.Random) -> None:
        """Something of it is due, unless the return has moved on."""
        match what:
            case "edit" if one.status in _EDITABLE:
                self.edit(one.id)
            case "take" if one.status is ReturnStatus.awaiting_buyer:
                self.take_offer(one.id)
            case "refuse" if one.status is ReturnStatus.awaiting_buyer:
                self.refuse_offer(one.id)
            case "escalate" if one.status in _ESCALATES and not one.arbitration:
                if not set(one.line_ids) & self._returns.taken(one.order_id):
                    self.escalate(one.id)
            case "arbitrate" if one.arbitration == IN_PROGRESS:
                self.arbitrate(one.id, chance.choice(("BUYER", "SELLER")))
            case _:
                return

    # Within

    def _offered(self, return_id: str) -> Return:
        one = self._returns.known(return_id)
        if one.status is not ReturnStatus.awaiting_buyer:
            raise ValueError(f"return {return_id} is {one.status}: no offer waits for its buyer")
        return one

    def _decided(self, one: Return, arbitration: str, role: str) -> None:
        one.arbitration, one.updated_at = arbitration, self._world.epoch()
        one.history.append((one.updated_at, role, arbitration))
        self._returns.store.save(one)
        self._returns.tell(one)

    def _compensate(self, one: Return) -> None:
        amount = self._returns.truth_of(one.id).owed_less
        one.compensated = str(amount)
        self._returns.store.save(one)
        if self._world.mix.settles:
            self._world.finance.adjust(one.shop, "PLATFORM_COMPENSATION", amount, order_id=one.order_id)
