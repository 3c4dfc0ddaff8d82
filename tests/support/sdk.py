"""What official clients send with."""

import ssl
from functools import cache

import httpx
from openai import DefaultAsyncHttpxClient


def openai_transport() -> DefaultAsyncHttpxClient:
    """For a client of OpenAI's SDK; left to itself it reads all of the system's certificates."""
    return DefaultAsyncHttpxClient(verify=_trust())


def transport() -> httpx.AsyncClient:
    """The same for SDKs that take a client of httpx."""
    return httpx.AsyncClient(verify=_trust())


@cache
def _trust() -> ssl.SSLContext:
    """Made once: it takes longer than most of the tests."""
    return ssl.create_default_context()
