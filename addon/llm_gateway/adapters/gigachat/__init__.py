"""GigaChat, Sber's models.

Its certificates are issued by the Russian Trusted Root CA, which no system and no browser outside
Russia trusts: the configuration needs a ``ca_file`` with that authority's certificate as PEM
(https://www.gosuslugi.ru/crt has it). Only this provider trusts it then.

The key is exchanged for an access token, which lives for half an hour
(:mod:`llm_gateway.oauth`). A private person's key is good for one request at a time, which
``http: {max_connections: 1}`` keeps to; further ones wait for their turn.
"""

from llm_gateway.adapters.gigachat.chat import GigaChatAdapter
from llm_gateway.adapters.gigachat.fields import FIELDS, IMAGE_FIELDS
from llm_gateway.adapters.gigachat.images import GigaChatImages
from llm_gateway.adapters.gigachat.models import list_models
from llm_gateway.adapters.kinds import Kind
from llm_gateway.config import CredentialDefaults, OAuth, ProviderDefaults

__all__ = ["KIND"]

KIND = Kind(
    title="GigaChat",
    reference="https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/gigachat-api",
    keys="https://developers.sber.ru/studio",
    defaults=ProviderDefaults(
        "https://gigachat.devices.sberbank.ru/api/v1",
        (CredentialDefaults("api_key"),),
        oauth=OAuth("https://ngw.devices.sberbank.ru:9443/api/v2/oauth", "GIGACHAT_API_PERS"),
        draws=True,
    ),
    chat=GigaChatAdapter,
    fields=FIELDS,
    models=list_models,
    images=GigaChatImages,
    image_fields=IMAGE_FIELDS,
    notes=(
        "The key is the authorization key, or `client_id:client_secret`. Its certificates are "
        'issued by the "Russian Trusted Root CA": `ca_file` names a file with it '
        "(https://www.gosuslugi.ru/crt), and only this provider trusts it. `scope` is "
        "`GIGACHAT_API_PERS` unless it says otherwise. A private person's key takes one request at "
        "a time: `http: {max_connections: 1}`."
    ),
)
