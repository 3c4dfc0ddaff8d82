"""Clients from one configuration to the next: their tokens, and what they have spent."""

import hashlib

import pytest

from llm_gateway.api.http import RequestHead
from llm_gateway.config import ClientToken, Gateway, Limits, Windows
from llm_gateway.errors import RequestError
from llm_gateway.runtime import Engine
from llm_gateway.secret import Secret
from llm_gateway.trace import Trace
from support.fakes import FakeWire, make_config

TEXT = "canary-token-that-is-hashed"
HASHED = ClientToken("ci", hashlib.sha256(TEXT.encode()).digest())
OPEN = ClientToken.of("boss", Secret("canary-token-that-is-known"))


class Told:
    """An engine, and how often it was told that there is one more secret."""

    def __init__(self, *tokens: ClientToken) -> None:
        self.times = 0
        wires = (lambda _: FakeWire(), lambda wire: wire)
        self.engine = Engine(*wires, Secret("canary-made-at-start"), 0, self._learnt)
        self.adopt(*tokens)

    def _learnt(self) -> None:
        self.times += 1

    def adopt(self, *tokens: ClientToken) -> None:
        self.engine.adopt(make_config(gateway=Gateway(tokens=tokens)))

    def come_with(self, token: str) -> ClientToken | None:
        head = RequestHead(
            "GET", "/v1/models", ("localhost",), (f"Bearer {token}".encode(),), None, None, None
        )
        return self.engine.current.front_door.admit(head).client

    @property
    def known(self) -> list[str]:
        return [secret.reveal() for secret in self.engine.tokens]


async def test_a_token_that_is_known_by_its_hash_is_a_secret_as_soon_as_it_was_shown() -> None:
    told = Told(HASHED, OPEN)
    assert told.known == [OPEN.secret.reveal() if OPEN.secret else None]
    for _ in range(3):
        assert told.come_with(TEXT) is HASHED
    assert told.known == [TEXT, "canary-token-that-is-known"]
    assert TEXT in [secret.reveal() for secret in told.engine.secrets()]
    assert told.times == 1
    await told.engine.close()


async def test_what_nobody_may_come_in_with_is_not_kept() -> None:
    told = Told(HASHED)
    for number in range(10):
        with pytest.raises(RequestError):
            told.come_with(f"canary-guess-{number}")
    assert (told.known, told.times) == ([], 0)
    await told.engine.close()


async def test_it_stays_known_as_long_as_it_is_a_token() -> None:
    told = Told(HASHED)
    told.come_with(TEXT)
    told.adopt(OPEN, ClientToken("renamed", HASHED.digest))
    assert TEXT in told.known
    told.adopt(OPEN)
    assert TEXT not in told.known
    with pytest.raises(RequestError):
        told.come_with(TEXT)
    await told.engine.close()


async def test_without_any_token_one_is_made_that_may_do_everything() -> None:
    told = Told()
    client = told.come_with("canary-made-at-start")
    assert client is not None
    assert client.name == "made at start"
    assert client.may_ask_for("anything")
    await told.engine.close()


async def test_what_a_client_spent_stays_spent_in_a_new_configuration() -> None:
    def limited(minute: int, digest: bytes = b"1") -> ClientToken:
        return ClientToken("ci", digest, limits=Limits(Windows(minute=minute)))

    told = Told(limited(2))
    for minute, digest in ((2, b"1"), (3, b"2")):
        told.adopt(limited(minute, digest))
        with told.engine.current.clients.visit(
            limited(minute, digest), Trace("req_test", sent=True)
        ) as visit:
            await visit.charge(lambda: 0)
    [reading] = told.engine.current.clients.quota(limited(3))
    assert (reading.used, reading.remaining) == (2, 1)
    await told.engine.close()
