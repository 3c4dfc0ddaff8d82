"""Which models GigaChat has.

Source: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/get-models. The list does not
say which of them draw.
"""

from llm_gateway.adapters.contract import Listed, Site, Steps
from llm_gateway.adapters.gigachat.failures import successful_object
from llm_gateway.adapters.translating import objects, text_in
from llm_gateway.wire import Label


def list_models(site: Site, label: Label) -> Steps[tuple[Listed, ...]]:
    """The models that chat. Raises UpstreamError."""
    (answer,) = yield [site.request("GET", "/models", label)]
    models = objects(successful_object(answer, "The provider's list of models").get("data"))
    names = (text_in(model, "id") for model in models if text_in(model, "type") == "chat")
    return tuple(Listed(name, "chat") for name in dict.fromkeys(names) if name)
