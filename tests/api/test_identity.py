"""Whose token it is."""

import base64
import hashlib
import random
import string
import time

import pytest

from llm_gateway.api.identity import Identity
from llm_gateway.config import ClientToken
from llm_gateway.secret import Secret

OPEN = ClientToken.of("open", Secret("canary-known-token"))
SHUT_TEXT = "canary-hashed_token"
SHUT = ClientToken("shut", hashlib.sha256(SHUT_TEXT.encode()).digest())
PARTS_TEXT = "canary.hashed~with+parts/=="
PARTS = ClientToken("parts", hashlib.sha256(PARTS_TEXT.encode()).digest())
ALL = (OPEN, SHUT, PARTS)


@pytest.mark.parametrize(
    ("text", "client"),
    [("canary-known-token", OPEN), (SHUT_TEXT, SHUT), (PARTS_TEXT, PARTS)],
)
def test_a_token_is_its_client_s(text: str, client: ClientToken) -> None:
    assert Identity(ALL).of(text.encode()) is client


@pytest.mark.parametrize(
    "text", ["", "canary", "canary-known-tokeN", SHUT.digest.hex(), SHUT_TEXT + "=", SHUT_TEXT[:-1]]
)
def test_another_text_is_nobody_s(text: str) -> None:
    assert Identity(ALL).of(text.encode()) is None


def test_only_the_text_of_what_is_known_by_its_hash_is_learnt() -> None:
    learnt: list[tuple[ClientToken, str]] = []
    identity = Identity(ALL, lambda client, text: learnt.append((client, text)))
    for text in ("wrong", "canary-known-token", SHUT_TEXT):
        identity.of(text.encode())
    assert learnt == [(SHUT, SHUT_TEXT)]


@pytest.mark.parametrize(
    "text",
    [
        "canary-known-token",
        "xcanary-known-tokenx",
        SHUT_TEXT,
        f"Bearer {SHUT_TEXT}",
        f"user:{SHUT_TEXT}",
        f"/v1/{SHUT_TEXT}/x",
        f"/v1/x?key={SHUT_TEXT}&a=b",
        f'{{"token": "{SHUT_TEXT}"}}',
        f"a,{SHUT_TEXT};b",
        f"{SHUT_TEXT}.evil.invalid",
        f"{SHUT_TEXT}=",
        PARTS_TEXT,
        f"key={PARTS_TEXT}",
        f"Bearer {PARTS_TEXT} x",
    ],
)
def test_a_token_is_found_in_texts_whether_it_is_known_or_only_its_hash(text: str) -> None:
    assert Identity(ALL).is_in([b"nothing", text.encode()])
    assert not Identity(()).is_in([text.encode()])


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\xfe", SHUT.digest, SHUT.digest.hex().encode(), base64.b64encode(SHUT.digest)],
)
def test_no_token_is_found_in_other_texts(text: bytes) -> None:
    assert not Identity(ALL).is_in([text])


@pytest.mark.parametrize("size", [1, 2, 3, 15, 16, 17, 43])
def test_a_known_token_is_found_wherever_it_stands(size: int) -> None:
    texts = [f"{number:064}"[-size:] for number in (7, 8)]
    tokens = [ClientToken.of(text, Secret(text)) for text in (*texts, "z" * 50)]
    identity = Identity(tokens)
    for before in range(2 * size):
        for text in texts:
            assert identity.is_in([f"{'x' * before}{text}yy".encode()])
        assert not identity.is_in([f"{'x' * before}{texts[0][:-1]}yy".encode()])


def test_a_hashed_token_that_is_too_short_is_not_looked_for() -> None:
    for size, found in ((15, False), (16, True)):
        text = b"x" * size
        hashed = ClientToken("short", hashlib.sha256(text).digest())
        assert Identity([hashed]).of(text) is hashed
        assert Identity([hashed]).is_in([text]) == found


def made_up(size: int) -> bytes:
    letters = random.Random(1)
    return b"".join(
        "".join(letters.choices(string.ascii_letters, k=size)).encode() + b"="
        for _ in range(65536 // (size + 1))
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"a=" * 32768, id="words of a letter"),
        pytest.param(b"a" * 65536, id="one word"),
        pytest.param(b"canary-known-toke" * 3855, id="almost a token"),
        pytest.param(made_up(15), id="short words"),
        pytest.param(made_up(16), id="words"),
    ],
)
def test_to_look_through_the_largest_head_takes_milliseconds(text: bytes) -> None:
    """5 or so; the bound leaves room for slow machines, and counts the processor's time alone."""
    plain = [ClientToken.of(str(size), Secret("x" * size)) for size in range(16, 36, 5)]
    hashed = [ClientToken(str(n), hashlib.sha256(bytes([n])).digest()) for n in range(5)]
    identity = Identity([OPEN, *plain, *hashed])
    taken = []
    for _ in range(3):
        began = time.thread_time()
        assert not identity.is_in([text, text])
        taken.append(time.thread_time() - began)
    assert min(taken) < 0.25
