"""A client's request as a request to ``POST /messages``.

Source: docs.anthropic.com/en/api/messages, version 2023-06-01.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from llm_gateway import faults
from llm_gateway.adapters.anthropic.blocks import text_block
from llm_gateway.adapters.anthropic.families import family_of
from llm_gateway.adapters.anthropic.remembered import recall
from llm_gateway.adapters.anthropic.sampling import sampling
from llm_gateway.adapters.anthropic.schema import closed
from llm_gateway.adapters.anthropic.thinking import Plan, plan
from llm_gateway.adapters.anthropic.tools import FORCED, tools_and_choice
from llm_gateway.adapters.anthropic.turns import (
    goes_on_without_thinking,
    instructions_of,
    turns_of,
    without_thinking,
)
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.conversation import (
    Conversation,
    JSONFormat,
    integer_of,
    parse_conversation,
    stops_of,
)
from llm_gateway.adapters.fields import Fields

type JSONObject = dict[str, Any]

JSON_ONLY = (
    "Answer with a single JSON object and with nothing else: no words before or after it, and no "
    "Markdown around it."
)
"""What the model is told where the client wants JSON of no particular schema."""


def request_of(call: Call, fields: Fields) -> tuple[JSONObject, list[str]]:
    """The body to be sent, and what of the client's was left out because of this model or value.

    What is always left out ``fields`` notes. Raises RequestError (400) for what makes no sense,
    UpstreamUnsupported for what cannot be said.
    """
    body = fields.sift(call.body)
    request = _Request(call, body, parse_conversation(body, fields))
    return request.make(), request.left_out


@dataclass(slots=True)
class _Request:
    call: Call
    body: JSONObject
    """The client's, sifted."""
    conversation: Conversation
    left_out: list[str] = field(default_factory=list)

    def make(self) -> JSONObject:
        """The whole request."""
        family = family_of(self.call.model)
        max_tokens = integer_of(self.body, "max_tokens")
        limit = family.max_tokens if max_tokens is None else max_tokens
        parallel = self.body.get("parallel_tool_calls")
        tools = tools_and_choice(self.conversation, parallel, family)
        forced = tools.get("tool_choice", {}).get("type") in FORCED
        turns = turns_of(self.conversation.messages, partial(recall, self.call))
        barred = forced or goes_on_without_thinking(turns)
        thinking = plan(self.body.get("reasoning_effort"), family, limit, barred=barred)
        if not thinking.obeyed:
            self.left_out.append("reasoning_effort")
        return {
            "model": self.call.model,
            "max_tokens": limit,
            **self._system(),
            "messages": turns if thinking.possible else without_thinking(turns),
            **tools,
            **({"thinking": thinking.thinking} if thinking.thinking else {}),
            **self._output(thinking),
            **sampling(self.body, family, thinks=thinking.on, drop=self.left_out.append),
            **self._stops(),
            **self._user(),
            **({"stream": True} if self.call.stream else {}),
        }

    def _system(self) -> JSONObject:
        system = instructions_of(self.conversation.messages)
        wanted = self.conversation.format
        if wanted is not None and wanted.schema is None:
            system.append(text_block(JSON_ONLY))
        return {"system": system} if system else {}

    def _output(self, thinking: Plan) -> JSONObject:
        config = {"effort": thinking.effort} if thinking.effort else {}
        config |= _format(self.conversation.format)
        return {"output_config": config} if config else {}

    def _stops(self) -> JSONObject:
        stops = stops_of(self.body)
        for index, stop in enumerate(stops):
            if not stop.strip():
                listed = isinstance(self.body["stop"], list)
                self.left_out.append(f"stop[{index}]" if listed else "stop")
        filled = [stop for stop in stops if stop.strip()]
        return {"stop_sequences": filled} if filled else {}

    def _user(self) -> JSONObject:
        user = self.body.get("user")
        return {} if user is None else {"metadata": {"user_id": faults.string(user, "user")}}


def _format(wanted: JSONFormat | None) -> JSONObject:
    if wanted is None or wanted.schema is None:
        return {}
    schema = closed(wanted.schema, "response_format.json_schema.schema", wanted.allowance)
    said = {"title": wanted.name, "description": wanted.description}
    said = {key: value for key, value in said.items() if value and key not in schema}
    return {"format": {"type": "json_schema", "schema": {**said, **schema}}}
