"""The schemas of the gateway's own OpenAPI document, ready to be asked."""

import functools

import jsonschema_rs

from llm_gateway.api.openapi import document


@functools.cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {**document(), "$ref": f"#/components/schemas/{name}"}
    )


def is_valid(name: str, value: object) -> bool:
    """Whether a value has the shape that the document calls so."""
    return _validator(name).is_valid(value)
