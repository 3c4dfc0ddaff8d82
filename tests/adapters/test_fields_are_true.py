"""The tables of fields are obeyed, row by row, and they are complete."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

import pytest
from openai.types import image_generate_params
from openai.types.chat import completion_create_params

from llm_gateway.adapters import KINDS
from llm_gateway.adapters.conversation import CONVERSATION_FIELDS
from llm_gateway.adapters.fields import Fate, Fields, Rule
from llm_gateway.errors import RequestError, UpstreamUnsupported
from llm_gateway.wire import UpstreamRequest
from support.calls import make_call, make_image_call, whole
from support.field_samples import UNLISTED, Sample, chat_samples, image_samples

CHAT_FIELDS = {*get_type_hints(completion_create_params.CompletionCreateParamsStreaming), "top_k"}
IMAGE_FIELDS = {*get_type_hints(image_generate_params.ImageGenerateParamsStreaming)}

DRAWING = [kind for kind, row in KINDS.items() if row.image_fields is not None]

MODELS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("claude-haiku-4-5", "claude-opus-5"),
    "gemini": ("gemini-2.5-flash", "gemini-3-pro-preview"),
}
"""Models that together do what a table says of its kind."""
IMAGE_MODELS: Mapping[str, tuple[str, ...]] = {
    "cloudflare": ("@cf/stabilityai/stable-diffusion-xl-base-1.0",),
    "gemini": ("gemini-2.5-flash-image", "imagen-4.0-generate-001"),
}
UNSAID = {
    "stream_options": "usage is passed on where it was asked for; many providers always send it",
    "response_format": "in what form a picture is passed on is settled when it has come",
    "response_format.json_schema.strict": "some providers keep to every schema to the letter",
}
"""Rows that may be obeyed without a word in the request, and why."""
HIDDEN = {
    "messages[].content[].image_url.detail": "seen only where pictures are taken",
    "response_format": "rows for its values have the last word",
    "response_format.json_schema.strict": "seen only where schemas are taken",
}
"""Rows that may have no effect in a kind that refuses more, and why."""


type Plain = tuple[str, str, tuple[tuple[str, str], ...], bytes]
"""Method, URL, headers and body."""


@dataclass(frozen=True)
class Sent:
    """What is sent first, as far as the provider sees it, and what was left out."""

    requests: list[Plain]
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """The request is refused because of `param`."""

    param: str | None


type Outcome = Sent | Refusal | None
"""None where the request makes no sense to this provider."""


def plainly(requests: list[UpstreamRequest]) -> list[Plain]:
    return [(each.method, each.url, each.headers, each.body) for each in requests]


def chat(kind: str, body: dict[str, Any], model: str) -> Outcome:
    """What comes of a chat request."""
    adapter = KINDS[kind].chat(make_call(body, model=model))
    try:
        requests = prepared(adapter.prepare())
        requests.append(adapter.encode())
    except UpstreamUnsupported as error:
        return Refusal(error.param)
    except RequestError:
        return None
    return Sent(plainly(requests), adapter.dropped)


def prepared(steps: Any) -> list[UpstreamRequest]:
    """The requests of what has to be done first; each is answered with the id of a file."""
    requests: list[UpstreamRequest] = []
    try:
        batch = next(steps)
        while True:
            requests += batch
            batch = steps.send([whole(200, b'{"id": "file_1"}') for _ in batch])
    except StopIteration:
        return requests


def draw(kind: str, body: dict[str, Any], model: str) -> Outcome:
    """What comes of a request for pictures, as far as its first requests."""
    factory = KINDS[kind].images
    assert factory is not None
    adapter = factory(make_image_call(body, model=model))
    try:
        requests = [*next(adapter.steps())]
    except UpstreamUnsupported as error:
        return Refusal(error.param)
    return Sent(plainly(requests), adapter.dropped)


@dataclass(frozen=True)
class Trial:
    """What comes of a sample's two requests."""

    sample: Sample
    plain: Sent
    full: Sent | Refusal

    def holds(self, rule: Rule) -> bool:
        """Whether the rule is what happened."""
        if isinstance(self.full, Refusal):
            return rule.fate is Fate.REFUSED and self.full.param == self.sample.where
        changed = self.full.requests != self.plain.requests
        match rule.fate:
            case Fate.REFUSED:
                return False
            case Fate.DROPPED:
                return not changed and self.full.dropped == (self.sample.where,)
            case Fate.TRANSLATED:
                return changed and not self.full.dropped
            case Fate.PASSED:
                return self._sends(self.sample.key)
            case Fate.RENAMED:
                return self._sends(rule.to) and not self._sends(self.sample.key)

    def _sends(self, key: str) -> bool:
        assert isinstance(self.full, Sent)
        bodies = [json.loads(body) for *_, body in self.full.requests if body.startswith(b"{")]
        wanted = json.dumps(self.sample.value)
        return any(name == key and json.dumps(value) == wanted for name, value in entries(bodies))


def entries(value: object) -> Iterator[tuple[str, object]]:
    """Every key with its value, at any depth."""
    if isinstance(value, dict):
        yield from value.items()
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from entries(inner)


def check(rule: Rule, row: str, trials: list[Trial], *, needs_some: bool = True) -> None:
    """A rule is true for every trial, a translation for one: models and values differ."""
    assert trials or not needs_some, "no sample fits this kind"
    if rule.fate is not Fate.TRANSLATED:
        for trial in trials:
            assert trial.holds(rule), trial
    elif row in UNSAID:
        assert all(isinstance(each.full, Sent) and not each.full.dropped for each in trials)
    elif trials:
        assert any(trial.holds(rule) for trial in trials), trials


def trials_of(run: Any, kind: str, samples: list[Sample], models: tuple[str, ...]) -> list[Trial]:
    """The trials whose plain requests are taken by this kind."""
    trials = []
    for sample in samples:
        for model in models:
            plain, full = (run(kind, body, model) for body in (sample.plain, sample.full))
            if isinstance(plain, Sent) and full is not None:
                trials.append(Trial(sample, plain, full))
    return trials


@pytest.mark.parametrize(
    ("kind", "row"), [(kind, row) for kind in KINDS for row in KINDS[kind].fields if row != "model"]
)
def test_a_row_for_chat_is_true(kind: str, row: str) -> None:
    models = MODELS.get(kind, ("up-model",))
    table = KINDS[kind].fields
    samples = [
        sample
        for sample in chat_samples(row)
        if not sample.deeper or table[sample.deeper].fate is table[row].fate
    ]
    trials = trials_of(chat, kind, samples, models)
    check(table[row], row, trials, needs_some=row not in HIDDEN)


@pytest.mark.parametrize("pattern", UNLISTED)
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_table_does_not_list_falls_under_a_row_that_is_true(
    kind: str, pattern: str
) -> None:
    rule = Fields(KINDS[kind].fields).rule(pattern)
    models = MODELS.get(kind, ("up-model",))
    check(rule, pattern, trials_of(chat, kind, [UNLISTED[pattern]], models), needs_some=False)


@pytest.mark.parametrize(
    ("kind", "row"),
    [(kind, row) for kind in DRAWING for row in KINDS[kind].image_fields or () if row != "model"],
)
def test_a_row_for_pictures_is_true(kind: str, row: str) -> None:
    models = IMAGE_MODELS.get(kind, ("up-model",))
    table = KINDS[kind].image_fields
    assert table is not None
    check(table[row], row, trials_of(draw, kind, image_samples(row), models))


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_the_provider_s(kind: str) -> None:
    assert KINDS[kind].fields["model"].fate is Fate.TRANSLATED
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    assert chat(kind, body, "one-model") != chat(kind, body, "another-model")


@pytest.mark.parametrize("kind", DRAWING)
def test_the_model_that_draws_is_the_provider_s(kind: str) -> None:
    table = KINDS[kind].image_fields
    assert table is not None
    assert table["model"].fate is Fate.TRANSLATED
    body = {"model": "m", "prompt": "A cat"}
    assert draw(kind, body, "one-model") != draw(kind, body, "another-model")


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_for_chat_is_complete(kind: str) -> None:
    assert {*CHAT_FIELDS, *CONVERSATION_FIELDS, "*"} <= KINDS[kind].fields.keys()


@pytest.mark.parametrize("kind", DRAWING)
def test_the_table_for_pictures_is_complete(kind: str) -> None:
    assert {*IMAGE_FIELDS, "*"} <= (KINDS[kind].image_fields or {}).keys()
