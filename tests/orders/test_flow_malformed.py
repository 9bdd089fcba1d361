"""The whole corpus of malformed orders goes through the running pipeline: each parks, the batch goes on."""

from __future__ import annotations

import copy

from tests.orders.test_staging_malformed import CORPUS
from tests.rigging import SOON, exceptions, in_world, sales_orders
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line


def test_every_malformed_order_is_parked_with_a_reason_and_the_good_ones_are_posted() -> None:
    async def story(rig: Rig) -> None:
        bad: dict[str, str] = {}
        for number, (name, spoil, _kind, _text) in enumerate(CORPUS):
            if number % 10 == 0:
                rig.world.place_order("us", [Line("SKU-003", 1, "3.00")])
            order_id = rig.world.place_order(
                "us",
                [
                    Line("SKU-001", 1, "10.00", seller_discount="1.00"),
                    Line("SKU-002", 1, "7.50", platform_discount="2"),
                ],
            )
            try:
                rig.world.mutate(order_id, lambda document, spoil=spoil: spoil(copy.deepcopy(document)))
            except (KeyError, IndexError):
                # Spoils a part that orders of this world do not show.
                rig.world.cancel_order(order_id)
                continue
            bad[order_id] = name
        good = rig.world.place_order("uk", [Line("SKU-004", 2, "4.00")])
        await rig.run(SOON)

        posted = {record["custbody_tts_order_id"] for record in sales_orders(rig)}
        assert good in posted
        assert not posted & set(bad), [bad[order_id] for order_id in posted & set(bad)]
        assert len(posted) == 1 + -(-len(CORPUS) // 10)
        told = exceptions(rig)
        assert len(bad) > len(CORPUS) * 0.8
        assert len({exception.subject for exception in told}) >= len(bad) * 0.8
        assert all(exception.owner and exception.message and exception.what_to_do for exception in told)
        assert not {exception.kind for exception in told} & {"staging_failed", "unclassified_error"}

    in_world(story)
