"""What leaves for Anthropic, and where to."""

import pytest

from llm_gateway.adapters.anthropic import KIND
from llm_gateway.config import CredentialDefaults
from support.calls import make_call

HI = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("stream", "accept"), [(True, "text/event-stream"), (False, "application/json")]
)
def test_the_request_goes_to_messages_below_the_base_url(stream: bool, accept: str) -> None:
    sent = KIND.chat(make_call({"model": "m", "messages": HI, "stream": stream})).encode()
    assert (sent.method, sent.url) == ("POST", "http://p.invalid/base/messages")
    assert dict(sent.headers)["accept"] == accept
    assert dict(sent.headers)["content-type"] == "application/json"


def test_the_key_and_the_version_have_headers_of_their_own() -> None:
    defaults = KIND.defaults
    assert defaults.base_url == "https://api.anthropic.com/v1"
    assert defaults.credentials == (CredentialDefaults("api_key", "x-api-key", ""),)
    assert defaults.headers == (("anthropic-version", "2023-06-01"),)


def test_it_draws_no_pictures() -> None:
    assert (KIND.images, KIND.image_fields, KIND.defaults.draws) == (None, None, False)
