"""What HAR 1.2 requires (http://www.softwareishard.com/blog/har-12-spec/)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

type Shape = Mapping[str, type | tuple[type, ...]]

_NUMBER = (int, float)
_LOG: Shape = {"version": str, "creator": dict, "entries": list}
_ENTRY: Shape = {
    "startedDateTime": str,
    "time": _NUMBER,
    "request": dict,
    "response": dict,
    "cache": dict,
    "timings": dict,
}
_MESSAGE: Shape = {
    "httpVersion": str,
    "cookies": list,
    "headers": list,
    "headersSize": int,
    "bodySize": int,
}
_REQUEST: Shape = {**_MESSAGE, "method": str, "url": str, "queryString": list}
_RESPONSE: Shape = {
    **_MESSAGE,
    "status": int,
    "statusText": str,
    "content": dict,
    "redirectURL": str,
}
_PAIR: Shape = {"name": str, "value": str}
_OPTIONAL_TIMES = {"blocked", "dns", "connect", "ssl"}


def check_har(content: Mapping[str, Any]) -> None:
    """Raise AssertionError where a required field is missing or of another type."""
    log = content["log"]
    _check(log, _LOG)
    assert log["version"] == "1.2"
    _check(log["creator"], {"name": str, "version": str})
    for entry in log["entries"]:
        _check(entry, _ENTRY)
        assert datetime.fromisoformat(entry["startedDateTime"]).tzinfo is not None
        _check_request(entry["request"])
        _check(entry["response"], _RESPONSE)
        _check(entry["response"]["content"], {"size": int, "mimeType": str})
        for pair in (*entry["response"]["headers"], *entry["response"]["cookies"]):
            _check(pair, _PAIR)
        _check_timings(entry)


def _check_request(request: Mapping[str, Any]) -> None:
    _check(request, _REQUEST)
    for pair in (*request["headers"], *request["queryString"], *request["cookies"]):
        _check(pair, _PAIR)
    if "postData" in request:
        _check(request["postData"], {"mimeType": str, "text": str, "params": list})


def _check_timings(entry: Mapping[str, Any]) -> None:
    timings = entry["timings"]
    _check(timings, {"send": _NUMBER, "wait": _NUMBER, "receive": _NUMBER})
    for name, value in timings.items():
        assert value >= 0 or (value == -1 and name in _OPTIONAL_TIMES), (name, value)
    assert abs(entry["time"] - sum(each for each in timings.values() if each > 0)) < 1


def _check(value: Mapping[str, Any], shape: Shape) -> None:
    for name, kind in shape.items():
        assert isinstance(value.get(name), kind), f"{name}: {value.get(name)!r}"
