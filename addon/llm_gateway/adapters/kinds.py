"""What one kind of provider is: its wire format, and all there is to say about it."""

from dataclasses import dataclass

from llm_gateway.adapters.contract import AdapterFactory, ImageAdapterFactory, ModelsLister
from llm_gateway.adapters.fields import Table
from llm_gateway.config import ProviderDefaults


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table of kinds.

    ``title`` is the provider's name for people, ``reference`` where its API is described,
    ``keys`` where one gets a key (empty if none is needed). ``fields`` says what becomes of a
    chat request's fields, ``image_fields`` of a picture request's, None if it draws none.
    ``notes`` is what an operator has to know of it, for the docs.
    """

    title: str
    reference: str
    keys: str
    defaults: ProviderDefaults
    chat: AdapterFactory
    fields: Table
    models: ModelsLister | None = None
    images: ImageAdapterFactory | None = None
    image_fields: Table | None = None
    notes: str = ""
