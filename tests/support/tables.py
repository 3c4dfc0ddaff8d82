"""Tables of fields for tests of what obeys them."""

from llm_gateway.adapters.conversation import CONVERSATION_FIELDS
from llm_gateway.adapters.fields import PASSED, Fields, Rule, Table, rules

ALL_PASS: Table = rules(PASSED, (*CONVERSATION_FIELDS, "*"))


def fields_with(rows: Table | None = None) -> Fields:
    """Everything passes, except for what these rows say."""
    return Fields({**ALL_PASS, **(rows or {})})


def all_fields(rule: Rule) -> Fields:
    """The same rule for everything below the top level."""
    return Fields(rules(rule, (*CONVERSATION_FIELDS, "*")))
