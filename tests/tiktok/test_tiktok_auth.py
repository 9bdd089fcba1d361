"""Tokens: bought once, refreshed ahead, by one process at a time (T 1.3)."""

import asyncio
import logging
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from tests.tiktok.samples import sample
from tests.tiktok.scripted_shop import (
    ACCOUNT,
    APP,
    NOW,
    Answer,
    Asked,
    FixedClock,
    ScriptedShop,
    cutting_server,
    envelope,
    ok,
    refusal,
    tokens,
)
from tiktok_ns_pipeline.tiktok.auth import TikTokLogin
from tiktok_ns_pipeline.tiktok.errors import (
    TikTokAmbiguous,
    TikTokAuthenticationError,
    TikTokError,
    TikTokTransient,
    TikTokUnknownError,
)
from tiktok_ns_pipeline.tokens import MemoryTokenStore, TokenSet

_SAMPLES = sample("token_responses.json")
_FRESH = ok({"access_token": "ROW_new", "access_token_expire_in": 604800, "refresh_token": "ROW_refresh_2"})
_CODE = "-".join(("the", "secret", "code"))  # pieced together, so that no traceback quotes it
_NEARLY_OVER = NOW + timedelta(hours=3)


class _Login:
    """A login against a scripted token server."""

    def __init__(self, *answers: Answer, stored: TokenSet | None = None, **options: Any) -> None:
        self.shop = ScriptedShop(list(answers))
        self.store = MemoryTokenStore()
        self.clock = FixedClock()
        if stored is not None:
            self.store.save(ACCOUNT, stored)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.shop.app()))
        self.login = self.another(**options)

    def another(self, **options: Any) -> TikTokLogin:
        """A login of another process over the same store."""
        return TikTokLogin(APP, self.store, self.http, "http://auth.shop.test", self.clock, **options)

    @property
    def stored(self) -> TokenSet:
        found = self.store.load(ACCOUNT)
        assert found
        return found


def test_a_code_buys_tokens_that_are_stored_with_the_expiry_they_came_with() -> None:
    made = _Login(envelope(_SAMPLES["get_success"]))
    bought = asyncio.run(made.login.exchange("the-code"))
    (asked,) = made.shop.asked
    assert (asked.method, asked.path) == ("GET", "/api/v2/token/get")
    assert asked.query == {
        "app_key": APP.app_key,
        "app_secret": APP.app_secret,
        "auth_code": "the-code",
        "grant_type": "authorized_code",
    }
    assert bought == made.stored
    assert bought.access_expires_at == datetime.fromtimestamp(1790604000, UTC)
    assert bought.refresh_expires_at == datetime.fromtimestamp(1821540000, UTC)
    assert "seller.order.info" in bought.scopes


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (1790604000, datetime.fromtimestamp(1790604000, UTC)),
        ("1790604000", datetime.fromtimestamp(1790604000, UTC)),
        (604800, NOW + timedelta(days=7)),
        (10**13, datetime(9999, 12, 31, tzinfo=UTC)),
        (None, NOW + timedelta(days=7)),
        ("soon", NOW + timedelta(days=7)),
    ],
)
def test_an_expiry_is_an_instant_and_a_small_number_counts_from_now(stated: Any, expected: datetime) -> None:
    made = _Login(ok({"access_token": "A", "refresh_token": "R", "access_token_expire_in": stated}))
    assert asyncio.run(made.login.exchange("code")).access_expires_at == expected


def test_a_spent_code_asks_for_a_new_consent() -> None:
    made = _Login(envelope(_SAMPLES["get_invalid_or_reused_code"]))
    with pytest.raises(TikTokAuthenticationError, match="authorize the app again"):
        asyncio.run(made.login.exchange("the-code"))


def test_a_consent_of_a_creator_is_refused() -> None:
    made = _Login(ok({"access_token": "A", "refresh_token": "R", "user_type": 1}))
    with pytest.raises(TikTokAuthenticationError, match="as the seller"):
        asyncio.run(made.login.exchange("code"))


@pytest.mark.parametrize("data", [None, {}, {"access_token": ""}, {"access_token": 7}])
def test_an_answer_without_a_token_is_no_login(data: Any) -> None:
    made = _Login(ok(data))
    with pytest.raises(TikTokUnknownError, match="access_token"):
        asyncio.run(made.login.exchange("code"))


def test_before_the_first_login_the_error_says_what_to_do() -> None:
    with pytest.raises(TikTokAuthenticationError, match=r"no tokens are stored.*authorize"):
        asyncio.run(_Login(ok()).login.access_token())


def test_a_token_with_time_left_is_used_without_asking() -> None:
    made = _Login(ok(), stored=tokens())
    assert asyncio.run(made.login.access_token()) == "ROW_access_1"
    assert made.shop.asked == []


def test_a_token_near_its_end_is_refreshed_ahead() -> None:
    made = _Login(_FRESH, stored=tokens(until=_NEARLY_OVER))
    assert asyncio.run(made.login.access_token()) == "ROW_new"
    assert made.shop.asked[0].query == {
        "app_key": APP.app_key,
        "app_secret": APP.app_secret,
        "refresh_token": "ROW_refresh_1",
        "grant_type": "refresh_token",
    }
    assert (made.stored.access_token, made.stored.refresh_token) == ("ROW_new", "ROW_refresh_2")


def test_what_a_refresh_does_not_repeat_is_kept() -> None:
    made = _Login(
        ok({"access_token": "ROW_new", "access_token_expire_in": 604800}), stored=tokens(until=_NEARLY_OVER)
    )
    asyncio.run(made.login.access_token())
    assert made.stored.refresh_token == "ROW_refresh_1"
    assert made.stored.scopes == ("seller.order.info",)


@pytest.mark.parametrize("answer", [refusal(36009003), Response("oops", 502), refusal(36004001)])
def test_a_failed_early_refresh_leaves_the_old_token_in_use_for_a_while(answer: Response) -> None:
    made = _Login(answer, _FRESH, stored=tokens(until=_NEARLY_OVER))

    async def three_times() -> list[str]:
        first, second = await made.login.access_token(), await made.login.access_token()
        made.clock.instant += timedelta(minutes=2)
        return [first, second, await made.login.access_token()]

    assert asyncio.run(three_times()) == ["ROW_access_1", "ROW_access_1", "ROW_new"]
    assert len(made.shop.asked) == 2


def test_an_ended_token_and_an_ended_refresh_token_ask_for_a_new_consent() -> None:
    made = _Login(envelope(_SAMPLES["refresh_expired"]), stored=tokens(until=NOW))
    with pytest.raises(TikTokAuthenticationError, match=r"rt has expired.*authorize the app again"):
        asyncio.run(made.login.access_token())


def test_a_login_without_a_refresh_token_asks_for_a_new_consent() -> None:
    made = _Login(ok(), stored=tokens(refresh=None, until=NOW))
    with pytest.raises(TikTokAuthenticationError, match="no refresh token"):
        asyncio.run(made.login.access_token())


def test_short_lived_tokens_are_not_refreshed_at_every_call() -> None:
    made = _Login(ok({"access_token": "ROW_new", "access_token_expire_in": 600}), stored=tokens(until=NOW))

    async def several() -> set[str]:
        return {await made.login.access_token() for _ in range(5)}

    assert asyncio.run(several()) == {"ROW_new"}
    assert len(made.shop.asked) == 1


async def _slow_fresh(asked: Asked) -> Response:
    await asyncio.sleep(0.05)
    return _FRESH


@pytest.mark.parametrize("way", ["ahead of expiry", "after 105002"])
def test_many_callers_in_two_processes_refresh_once(way: str) -> None:
    until = _NEARLY_OVER if way == "ahead of expiry" else NOW + timedelta(days=5)
    made = _Login(_slow_fresh, refusal(36004001), stored=tokens(until=until))
    processes = [made.login, made.another()]

    async def all_at_once() -> set[str]:
        calls = [
            process.access_token() if way == "ahead of expiry" else process.refresh("ROW_access_1")
            for process in processes
            for _ in range(10)
        ]
        return set(await asyncio.gather(*calls))

    assert asyncio.run(all_at_once()) == {"ROW_new"}
    assert len(made.shop.asked) == 1


def test_a_waiting_process_reads_what_the_other_one_stored() -> None:
    made = _Login(ok(), stored=tokens(until=NOW))
    assert made.store.try_lock(ACCOUNT, "another process", NOW + timedelta(minutes=1))

    async def run() -> str:
        waiting = asyncio.create_task(made.login.access_token())
        await asyncio.sleep(0.05)
        made.store.save(ACCOUNT, tokens("ROW_of_the_other"))
        return await waiting

    assert asyncio.run(run()) == "ROW_of_the_other"
    assert made.shop.asked == []


def test_a_holder_that_never_finishes_does_not_keep_us_waiting_for_ever() -> None:
    class HurryingClock(FixedClock):
        def now(self) -> datetime:
            self.instant += timedelta(seconds=20)
            return self.instant

    made = _Login(ok(), stored=tokens(until=NOW))
    made.clock = HurryingClock()
    assert made.store.try_lock(ACCOUNT, "a dead process", NOW + timedelta(minutes=1))
    with pytest.raises(TikTokTransient, match="right to refresh"):
        asyncio.run(made.another().access_token())


@pytest.mark.parametrize("answer", [_FRESH, refusal(36004001), Response("oops", 500)])
def test_the_lock_is_given_back_whatever_happens(answer: Response) -> None:
    made = _Login(answer, stored=tokens(until=_NEARLY_OVER))
    asyncio.run(made.login.access_token())
    assert made.store.try_lock(ACCOUNT, "next", NOW)


def test_a_newer_stored_token_is_taken_instead_of_a_refresh() -> None:
    made = _Login(ok(), stored=tokens("ROW_newer"))
    assert asyncio.run(made.login.refresh("ROW_access_1")) == "ROW_newer"
    assert made.shop.asked == []


def test_an_exchange_without_an_answer_is_ambiguous_and_names_no_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    async def run() -> TikTokError:
        async with cutting_server(b"") as url, httpx.AsyncClient() as http:
            login = TikTokLogin(APP, MemoryTokenStore(), http, url)
            with pytest.raises(TikTokAmbiguous) as caught:
                await login.exchange(_CODE)
            return caught.value

    failure = asyncio.run(run())
    shown = "".join(traceback.format_exception(failure)) + repr(vars(failure)) + caplog.text
    assert failure.__context__ is None
    for secret in (APP.app_secret, _CODE):
        assert secret not in shown


def test_an_answer_that_repeats_the_secrets_is_quoted_without_them() -> None:
    made = _Login(refusal(36004004, message=f"Invalid auth code the-secret-code for {APP.app_secret}"))
    with pytest.raises(TikTokAuthenticationError) as caught:
        asyncio.run(made.login.exchange("the-secret-code"))
    assert "the-secret-code" not in str(caught.value)
    assert APP.app_secret not in str(caught.value)


def test_the_token_call_is_logged_without_its_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = _Login(_FRESH, stored=tokens(until=NOW))
    asyncio.run(made.login.access_token())
    assert "/api/v2/token/refresh" in caplog.text
    for secret in (APP.app_secret, "ROW_refresh_1", "ROW_new"):
        assert secret not in caplog.text


def test_no_repr_shows_a_secret() -> None:
    assert APP.app_secret not in repr(APP)
    assert "ROW_" not in repr(tokens())


def test_a_timeout_that_could_outlive_the_lock_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        _Login(ok(), timeout_s=60)
