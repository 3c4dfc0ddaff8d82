"""The TypedDicts of an SDK as validators that know no mercy: unknown keys, wrong types."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from types import ModuleType
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import is_typeddict


def forbid_extra_keys(*names: str) -> None:
    """Make pydantic refuse unknown keys in every TypedDict of these modules and packages."""
    for module in chain.from_iterable(map(_modules, names)):
        for member in vars(module).values():
            if inspect.isclass(member) and is_typeddict(member):
                config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
                setattr(member, "__pydantic_config__", config)  # noqa: B010 - not declared


def _modules(name: str) -> Iterator[ModuleType]:
    module = importlib.import_module(name)
    yield module
    for each in pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."):
        yield importlib.import_module(each.name)


def first_fault(adapter: TypeAdapter[Any], value: object, path: str = "") -> ErrorDetails | None:
    """What is wrong with `value`, None if nothing is. Its `loc` begins with `path`, if given."""
    try:
        _exhaust(adapter.validate_python(value, strict=True))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return {**first, "loc": (path, *first["loc"]) if path else first["loc"]}
    return None


def _exhaust(value: object) -> None:
    """Walk a validated value: pydantic checks the items of an Iterable only on the way."""
    if isinstance(value, Mapping):
        for item in value.values():
            _exhaust(item)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for item in value:
            _exhaust(item)
