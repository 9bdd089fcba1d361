import asyncio

import httpx
import pytest
import uvicorn

from tiktok_ns_pipeline.sandbox.faults import DropConnection, RefuseConnection
from tiktok_ns_pipeline.sandbox.transport import InProcessTransport, Message, cutting_connections
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual

saved: list[str] = []


async def app(scope, receive, send) -> None:
    """A small server: echoes, drops, refuses, saves late."""
    if scope["type"] != "http":
        return
    body = (await receive())["body"]
    match scope["path"]:
        case "/drop":
            raise DropConnection
        case "/refuse":
            raise RefuseConnection
        case "/half":
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"99")]}
            )
            raise DropConnection
        case "/slow":
            await asyncio.sleep(60)
            saved.append(scope["path"])
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", b"text/plain"),
        (b"x-query", scope["query_string"]),
    ]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    answer: Message = {"type": "http.response.body", "body": scope["method"].encode() + b" " + body}
    await send(answer)


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=InProcessTransport({"shop.test": app}), base_url="https://shop.test")


def test_a_request_reaches_the_app_of_its_host_byte_for_byte():
    async def main() -> None:
        async with client() as http:
            answer = await http.post("/echo?a=%2B%20%C3%BC", content="ü{} ".encode())
            assert (answer.status_code, answer.content) == (201, "POST ü{} ".encode())
            assert answer.headers["x-query"] == "a=%2B%20%C3%BC"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/drop", httpx.RemoteProtocolError),
        ("/half", httpx.RemoteProtocolError),
        ("/refuse", httpx.ConnectError),
        ("https://elsewhere.test/", httpx.ConnectError),
    ],
)
def test_a_lost_connection_is_the_error_that_httpx_has_for_it(path: str, error: type[Exception]):
    async def main() -> None:
        async with client() as http:
            with pytest.raises(error):
                await http.get(path)

    asyncio.run(main())


def test_a_server_goes_on_saving_when_its_caller_has_given_up():
    async def main(clock: VirtualClock) -> None:
        async with client() as http:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await http.post("/slow", timeout=None)
            assert saved == []
            await asyncio.sleep(60)
            assert saved == ["/slow"]

    saved.clear()
    run_virtual(main)


def test_the_clients_own_read_limit_counts():
    async def main(clock: VirtualClock) -> None:
        async with client() as http:
            began = clock.now()
            with pytest.raises(httpx.ReadTimeout):
                await http.get("/slow", timeout=10)
            assert (clock.now() - began).total_seconds() == 10

    run_virtual(main)


@pytest.mark.parametrize("path", ["/drop", "/half", "/refuse"])
def test_on_loopback_a_lost_connection_ends_without_a_whole_answer(path: str):
    async def main() -> None:
        server = uvicorn.Server(
            uvicorn.Config(cutting_connections(app), port=0, log_level="critical", lifespan="off")
        )
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has only this flag
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            with pytest.raises(httpx.TransportError):
                await http.get(path)
            assert (await http.post("/echo", content=b"still here")).text == "POST still here"
        server.should_exit = True
        await task

    asyncio.run(main())
