"""Months of money with everything that happens to it: every payout is posted once, with every amount."""

from __future__ import annotations

import random

from tests.settlements.desk import (
    delivered,
    journals,
    judged,
    pass_days,
    payments,
    settle,
    settling,
    told,
)
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line

_PRICES = {"us": "23.45", "uk": "17.99", "vn": "310000"}


def test_every_payout_of_all_shops_is_posted_once_and_right() -> None:
    async def story(rig: Rig) -> None:
        chance = random.Random(5)
        for day in range(28):
            if day < 9:
                for shop, price in _PRICES.items():
                    delivered(rig, shop, Line("SKU-001", chance.randint(1, 4), price))
            await pass_days(rig, 1)
            if day % 7 == 6:
                await settle(rig)
        await pass_days(rig, 8)
        await settle(rig)
        arrived = [one.id for shop in _PRICES for one in payments(rig, shop)]
        findings = judged(rig)
        assert (findings.missing, findings.doubled, findings.invented, findings.wrong) == ([], [], [], [])
        assert findings.right == len(arrived) == len(journals(rig)) > 12
        assert told(rig) == []

    settling(
        story,
        {"seed": 11},
        refunded=0.3,
        adjusted=0.3,
        reserved=0.3,
        statement_late=0.15,
        negative_parked=0.5,
        payment_failed=0.1,
        odd_adjustments=0.3,
    )
