"""For bare mitmproxy in the streaming cases, which it would otherwise buffer."""

from mitmproxy import http


def responseheaders(flow: http.HTTPFlow) -> None:
    """Pass the body on as it comes."""
    if flow.response is not None:
        flow.response.stream = True
