"""Real processes over one ledger: two never refresh at once (T 1.3, 9.4)."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import uvicorn
from cryptography.fernet import Fernet
from starlette.responses import Response

from tests.tiktok.scripted_shop import ACCOUNT, APP, Asked, ScriptedShop, ok, tokens
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.ledger import Ledger

_PROCESS = """
import asyncio, sys, httpx
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin

async def main(database, key, url, app_key, app_secret):
    store = Ledger.open(database).token_store(key)
    async with httpx.AsyncClient() as http:
        login = TikTokLogin(TikTokApp(app_key, app_secret), store, http, url)
        print(await login.access_token())

asyncio.run(main(*sys.argv[1:]))
"""


async def _slow_refresh(asked: Asked) -> Response:
    await asyncio.sleep(1)
    return ok({"access_token": "ROW_new", "access_token_expire_in": 604800, "refresh_token": "ROW_refresh_2"})


def test_of_three_processes_that_need_a_token_at_once_one_refreshes_and_all_have_it(tmp_path: Path) -> None:
    database, key = f"sqlite:///{tmp_path / 'ledger.sqlite'}", Fernet.generate_key().decode()
    ledger = Ledger.open(database)
    ledger.token_store(key).save(ACCOUNT, tokens(until=SystemClock().now()))
    shop = ScriptedShop([_slow_refresh])

    async def run() -> list[str]:
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(shop.app(), log_level="error"))
        serving = asyncio.create_task(server.serve([listening]))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        arguments = [sys.executable, "-c", _PROCESS, database, key, url, APP.app_key, APP.app_secret]
        processes = [
            await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE) for _ in range(3)
        ]
        printed = [(await process.communicate())[0].decode().strip() for process in processes]
        server.should_exit = True
        await serving
        return printed

    assert asyncio.run(run()) == ["ROW_new"] * 3
    assert len(shop.asked) == 1
    ledger.close()
