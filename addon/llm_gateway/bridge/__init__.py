"""Streaming an answer of our own through mitmproxy's native state machine.

mitmproxy has no public way for an addon to stream a response: what a hook puts into
``flow.response`` is sent whole. What streams natively is the response of a *server connection*, so
the bridge is one: an in-process object, registered where mitmproxy's HTTP layer looks servers up,
that receives the client's request as the layer's own events and answers with the layer's own
events. Framing, HTTP/2, hooks and flow bookkeeping stay mitmproxy's. (mitmproxy's client replay
does the mirror image with its ``MockServer``.)

::

    client ── Http1Server/Http2Server ── HttpStream ──RequestHeaders…──▶ InProcessServer
                                             ▲                            │ starts
                                             │ ReceiveHttp(Response…)     ▼
    handler.server_event(Inject(…)) ──▶ InProcessServer ◀── StreamSink ◀── a task

This package is the only place that touches mitmproxy's inner parts: :mod:`.server` is the
in-process connection, :mod:`.attach` connects flows to it, :mod:`.sinks` is the way back,
:mod:`.responses` makes mitmproxy's response objects, :mod:`.clients` knows who still waits for an
answer, :mod:`.kill` has what is killed end at once, :mod:`.check` tries it all once at start.

Below it, :mod:`.http1` and :mod:`.http2` stand in the place of mitmproxy's ``Http1Server`` and
``Http2Server``, which bound nothing: :mod:`.heads`, :mod:`.chunked` and :mod:`.frames` are what
they read by, :mod:`.refusals` what they say, and :mod:`.guard` puts them there.
"""
