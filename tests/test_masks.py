"""What may be seen of a body, and what it was."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway import masks as module
from llm_gateway.masks import NO_MASKS, Masks
from llm_gateway.secret import Secret

CARD = r"\b\d{4}(?:[ -]?\d{4}){3}\b"
MAIL = r"[\w.]+@example\.com"
NAME = "Müller"
NUMBER = "4111 1111 1111 1111"
SIGN = re.compile(r"\[masked:[0-9a-f]{8}\]")


def masking(*patterns: str) -> Masks:
    masks = Masks()
    masks.adopt([re.compile(pattern) for pattern in patterns])
    return masks


def plain(body: bytes) -> str:
    """A masked body with all placeholders alike."""
    return SIGN.sub("#", body.decode())


BODIES: list[tuple[str, str]] = [
    ('{"content": "card 4111 1111 1111 1111!"}', '{"content": "card #!"}'),
    ('{ "a" :  ["a.b@example.com","c"] }', '{ "a" :  ["#","c"] }'),
    ('{"4111111111111111": "the key"}', '{"#": "the key"}'),
    ('{"n": 4111111111111111, "m": 1.50}', '{"n": "#", "m": 1.50}'),
    (r'{"content": "a \"quoted\" M\u00fcller\n"}', r'{"content": "a \"quoted\" #\n"}'),
    (r'{"arguments": "{\"mail\": \"x@example.com\"}"}', r'{"arguments": "{\"mail\": \"#\"}"}'),
    ('"x@example.com"', '"#"'),
    ('[{"text": "Müller, Müller"}]', '[{"text": "#, #"}]'),
    ("a form: mail=x@example.com&n=1", "a form: mail=#&n=1"),
    ('{"content": "cut off, x@example.com and mo', '{"content": "cut off, # and mo'),
    ('{"content": "cut in an escape, x@example.com \\', '{"content": "cut in an escape, # \\'),
    ('{"not": json x@example.com}', '{"not": json #}'),
    (r'{"no": "\escape \x x@example.com"}', r'{"no": "\escape \x #"}'),
]


@pytest.mark.parametrize(("body", "shown"), BODIES)
def test_what_the_patterns_match_is_not_shown(body: str, shown: str) -> None:
    masks = masking(CARD, MAIL, NAME)
    assert plain(masks.hide(body.encode())) == shown


@pytest.mark.parametrize("body", [body for body, _ in BODIES])
def test_what_was_hidden_can_be_shown_again(body: str) -> None:
    masks = masking(CARD, MAIL, NAME)
    shown = masks.show(masks.hide(body.encode())).decode()
    assert shown == body.replace(r"\u00fc", "ü")


@pytest.mark.parametrize("body", [body for body, _ in BODIES])
def test_hiding_twice_is_as_good_as_once(body: str) -> None:
    masks = masking(CARD, MAIL, NAME, r"\w{12,}", "[0-9a-f]{8}")
    once = masks.hide(body.encode())
    assert masks.hide(once) == once


def test_a_placeholder_is_not_taken_for_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digits are those of a random key, and may read like one: ``198e1527``."""
    for key in range(256):
        monkeypatch.setattr(module, "token_bytes", lambda size, key=key: bytes([key]) * size)
        masks = masking(MAIL, "[0-9a-f]{8}")
        once = masks.hide(b'{"not": json x@example.com}')
        assert masks.hide(once) == once


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"content": "hello"}', b"\xff\xfe\x00", b'{"a": "\xff"}', b"data: x\n\n"]
)
def test_a_body_with_nothing_to_hide_is_the_same_object(body: bytes) -> None:
    masks = masking(CARD)
    assert masks.hide(body) is body
    assert masks.show(body) is body


def test_without_patterns_nothing_is_looked_for() -> None:
    body = f'{{"content": "{NUMBER}"}}'.encode()
    assert not NO_MASKS.active
    assert NO_MASKS.hide(body) is body
    assert NO_MASKS.hide_text(NUMBER) == NUMBER


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    masks = masking(MAIL)
    body = b"--x\r\n\r\nx@example.com\r\n\xff\x00\xd8--x"
    hidden = masks.hide(body)
    assert hidden.endswith(b"\r\n\xff\x00\xd8--x")
    assert masks.show(hidden) == body


def test_half_a_surrogate_pair_is_kept() -> None:
    masks = masking(MAIL)
    body = rb'{"a": "\ud83d x@example.com"}'
    hidden = masks.hide(body)
    assert json.loads(hidden)["a"].startswith("\ud83d [masked:")
    assert json.loads(masks.show(hidden)) == json.loads(body)


def test_the_same_text_is_the_same_placeholder_and_another_is_another() -> None:
    masks = masking(MAIL)
    one, two = "x@example.com", "y@example.com"
    assert masks.hide_text(one) == masks.hide_text(one) != masks.hide_text(two)
    assert masking(MAIL).hide_text(one) != masks.hide_text(one)


def test_a_number_comes_back_as_a_number_and_a_text_as_a_text() -> None:
    masks = masking(CARD)
    body = {"text": "4111111111111111", "number": 4111111111111111}
    hidden = masks.hide(json.dumps(body).encode())
    assert b"4111" not in hidden
    assert json.loads(masks.show(hidden)) == body


def test_what_people_write_around_a_placeholder_stays() -> None:
    masks = masking(NAME)
    hidden = json.loads(masks.hide(json.dumps({"content": 'I am "Müller".'}).encode()))
    hidden["content"] = hidden["content"].replace("I am", 'You are\n"')
    shown = masks.show(json.dumps(hidden).encode())
    assert json.loads(shown) == {"content": 'You are\n" "Müller".'}


def test_a_text_with_quotes_is_put_back_as_json() -> None:
    masks = masking('"secret\n" and so on')
    body = {"content": 'the "secret\n" and so on.'}
    hidden = masks.hide(json.dumps(body).encode())
    assert plain(hidden) == '{"content": "the #."}'
    assert json.loads(masks.show(hidden)) == body


def test_an_unknown_placeholder_stays() -> None:
    masks = masking(MAIL)
    masks.hide_text("x@example.com")
    body = b'{"content": "[masked:00000000]"}'
    assert masks.show(body) == body


def test_the_oldest_text_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TEXTS", 2)
    masks = masking(MAIL)
    one, two, three = (masks.hide_text(f"{name}@example.com") for name in "abc")
    assert masks.show(one.encode()) == one.encode()
    assert masks.show(f"{two} {three}".encode()) == b"b@example.com c@example.com"


def test_long_texts_are_forgotten_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHARACTERS", 20)
    masks = masking("x+")
    long, longer = masks.hide_text("x" * 8), masks.hide_text("x" * 18)
    assert masks.show(f"{long} {longer}".encode()) == f"{long} {'x' * 18}".encode()


def test_two_texts_of_one_fingerprint_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DIGITS", 0)
    masks = masking("[a-z]")
    hidden = [masks.hide_text(letter) for letter in "abcdefghijklmnopqrstuvwxyz"]
    assert len(set(hidden)) == 26


def test_a_body_that_nobody_changed_is_itself_whatever_is_in_it() -> None:
    masks = masking(MAIL)
    known = masks.hide_text("x@example.com")
    body = json.dumps({"content": f"{known} and y@example.com"}).encode()
    covered = masks.cover(body)
    assert covered.now(covered.shown) is body
    changed = covered.now(covered.shown.replace(b" and ", b" or "))
    assert json.loads(changed)["content"] == "x@example.com or y@example.com"


def test_plain_values_are_masked_in_all_their_texts() -> None:
    masks = masking(MAIL)
    values: dict[str, Any] = {"a": "x@example.com", "b": [["x@example.com", 1], None], "c": 1.5}
    hidden = masks.hide_values(values)
    assert SIGN.sub("#", str(hidden)) == str({"a": "#", "b": [["#", 1], None], "c": 1.5})


SECRET = "sk-canary+provider/key"


@pytest.mark.parametrize("patterns", [(), (MAIL,)])
@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"content": f"my key is {SECRET}."}).encode(),
        f'data: {{"delta": "use {SECRET}-2"}}\n\n'.encode(),
        b"\xff" + SECRET.encode(),
    ],
)
def test_tokens_and_keys_are_masked_as_well(patterns: tuple[str, ...], body: bytes) -> None:
    masks = masking()
    masks.adopt([re.compile(each) for each in patterns], map(Secret, [SECRET, f"{SECRET}-2"]))
    hidden = masks.hide(body)
    assert b"canary" not in hidden
    assert masks.show(hidden) == body
    assert masks.hide_text(f"a {SECRET}-2 b") == f"a {masks.hide_text(f'{SECRET}-2')} b"


@pytest.mark.parametrize(
    ("form", "later"),
    [
        (r"sk-canary+provider\/key", SECRET),
        (r"sk-canary\u002Bprovider/key", SECRET),
        ("sk-canary%2Bprovider%2Fkey", "sk-canary%2Bprovider%2Fkey"),
    ],
)
def test_tokens_and_keys_are_masked_however_they_are_written(form: str, later: str) -> None:
    masks = masking()
    masks.adopt([], [Secret(SECRET)])
    hidden = masks.hide(f'{{"content": "{form}"}}'.encode())
    assert plain(hidden) == '{"content": "#"}'
    assert json.loads(masks.show(hidden)) == {"content": later}


def test_what_is_too_short_for_a_secret_is_a_word() -> None:
    masks = masking()
    masks.adopt([], [Secret("ollama")])
    assert masks.hide(b"ollama") == b"ollama"


def openai(text: str) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]}


def anthropic(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 1, "delta": {"text": text}}


def gemini(text: str) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}}]}


def arguments(text: str) -> dict[str, Any]:
    call = {"index": 0, "function": {"arguments": text}}
    return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}


def stream(events: Iterable[dict[str, Any]], end: str = "\n\n") -> bytes:
    lines = (f"data: {json.dumps(event)}{end}" for event in events)
    return ("".join(lines) + f"data: [DONE]{end}").encode()


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
@pytest.mark.parametrize("event", [openai, anthropic, gemini, arguments])
@pytest.mark.parametrize(
    "pieces",
    [
        ["a card: 4111 1111 1111 1111."],
        ["a card: 41", "11 1111", " 1111 1111."],
        [*"a card: 4111 1111 1111 1111."],
        ["a card: 4111 1111 1111 1111", ", and 4111 1", "111 1111 11", "11 again"],
    ],
)
def test_a_text_is_masked_however_its_stream_was_cut(
    event: Callable[[str], dict[str, Any]], pieces: list[str], end: str
) -> None:
    masks = masking(CARD)
    body = stream(map(event, pieces), end)
    hidden = masks.hide(body).decode()
    shown = [json.loads(line[6:]) for line in hidden.split(end)[:-2]]
    expected = SIGN.sub("#", masks.hide_text("".join(pieces)))
    said = "".join(text for each in shown for text in _texts(each))
    assert SIGN.sub("#", said) == expected
    assert hidden.endswith(f"data: [DONE]{end}")
    assert len(shown) == len(pieces)


def _texts(event: Any) -> Iterable[str]:
    """The strings that `event` was made with."""
    match event:
        case {"choices": [{"delta": {"content": text}}]}:
            yield text
        case {"delta": {"text": text}}:
            yield text
        case {"candidates": [{"content": {"parts": [{"text": text}]}}]}:
            yield text
        case {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": text}}]}}]}:
            yield text


def test_two_choices_are_two_texts() -> None:
    masks = masking("abcd")
    events = [
        {"choices": [{"index": index, "delta": {"content": text}}]}
        for index, text in [(0, "ab"), (1, "ab"), (0, "cd"), (1, "xy")]
    ]
    shown = masks.hide(stream(events)).decode().split("\n\n")
    said = [json.loads(line[6:])["choices"][0]["delta"]["content"] for line in shown[:-2]]
    assert [SIGN.sub("#", text) for text in said] == ["#", "ab", "", "xy"]


def test_what_every_event_repeats_is_no_text() -> None:
    masks = masking("cc")
    body = stream([openai("x"), openai("y")])
    assert masks.hide(body) is body


def test_a_stream_that_was_cut_off_is_masked_to_its_end() -> None:
    masks = masking(MAIL)
    body = stream([openai("hi")])[:-14] + b'\n\nevent: x\ndata: {"text": "x@example.com and'
    assert plain(masks.hide(body)).endswith('event: x\ndata: {"text": "# and')


def test_comments_and_names_of_events_are_masked() -> None:
    masks = masking(MAIL)
    body = b': it\'s "x@example.com\nevent: x@example.com\ndata: {"a": "b"}\n\n'
    assert plain(masks.hide(body)) == ': it\'s "#\nevent: #\ndata: {"a": "b"}\n\n'


texts = st.text(alphabet='ab 1"\\\né@x.', max_size=12)
values = st.recursive(
    texts | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)


@given(
    value=st.lists(values, max_size=4), indent=st.sampled_from([None, 1]), ascii_only=st.booleans()
)
def test_any_json_is_still_the_same_json_when_it_is_shown_again(
    value: list[Any], indent: int | None, ascii_only: bool
) -> None:
    masks = masking("[ab]+", "é", "1+", '"x')
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    hidden = masks.hide(body)
    assert not re.search('[ab]|é|"x', "".join(_strings(json.loads(hidden))))
    assert json.loads(masks.show(hidden)) == value


def _strings(value: Any) -> Iterable[str]:
    """All strings in a value, without their placeholders."""
    if isinstance(value, str):
        yield SIGN.sub("|", value) + " "
    elif isinstance(value, list | dict):
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        for each in inner:
            yield from _strings(each)


@given(pieces=st.lists(st.text(alphabet="41 a", max_size=6), min_size=1, max_size=12))
def test_any_way_to_cut_a_stream_hides_as_much(pieces: list[str]) -> None:
    masks = masking("4+1+a?")
    shown = masks.hide(stream(map(openai, pieces))).decode().split("\n\n")[:-2]
    said = "".join(text for line in shown for text in _texts(json.loads(line[6:])))
    assert not re.search("4+1", SIGN.sub("|", said))
