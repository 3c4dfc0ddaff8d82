"""The gateway's views are mitmproxy's views, each once."""

from mitmproxy import contentviews

from llm_gateway.inspect import views
from llm_gateway.inspect.kin import Kin


def test_every_view_is_there_once_however_often_the_script_is_loaded() -> None:
    for _ in range(2):
        views.install(Kin())
    available = contentviews.registry.available_views()
    for name in ("ai message", "ai chat", "ai compare", "ai diff", "ai route"):
        assert available.count(name) == 1


def test_the_names_of_the_views_are_ones_that_mitmwebs_addresses_take() -> None:
    views.install(Kin())
    ours = [name for name in contentviews.registry.available_views() if name.startswith("ai ")]
    assert all(name.replace(" ", "").isalnum() for name in ours)
