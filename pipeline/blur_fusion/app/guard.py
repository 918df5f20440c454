"""Servers for this machine alone: checks of each request, headers of each response.

Checking Host stops pages elsewhere whose name leads here (DNS rebinding), checking Origin stops
those that make a browser send something here, and a token in the address stops other users of this
machine, who can try all ports.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
HOSTS = (LOOPBACK, "localhost", "::1")
_HEADERS = ((b"referrer-policy", b"no-referrer"), (b"x-content-type-options", b"nosniff"))


def _refusal(headers: dict[bytes, str], hosts: tuple[str, ...]) -> str:
    """Why a request is refused; empty if it is not."""
    host, origin = headers.get(b"host", ""), headers.get(b"origin")
    with suppress(ValueError):
        if not hosts or urlsplit(f"//{host}").hostname in hosts:
            foreign = origin is not None and urlsplit(origin).netloc != host
            return "requests from other pages are refused" if foreign else ""
    return f"this host name is not served; open {' or '.join(hosts)}"


def guarded(
    app: Any, hosts: tuple[str, ...] | None, policy: bytes, token: str | None = None
) -> Any:
    """ASGI middleware that refuses requests made by other pages, and adds headers.

    Parameters
    ----------
    app : ASGI application
    hosts : tuple of str, optional
        Allowed names of this machine; any if empty. None checks nothing, for a tunnel.
    policy : bytes
        The Content-Security-Policy of each response.
    token : str, optional
        What paths must begin with.
    """
    headers = (*_HEADERS, (b"content-security-policy", policy))

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        answer = sent if scope["type"] == "http" else send
        line = ""
        if scope["type"] in ("http", "websocket"):
            if hosts is not None:
                given = {name: value.decode("latin-1") for name, value in scope["headers"]}
                line = _refusal(given, hosts)
            first = scope["path"].removeprefix("/").partition("/")[0]
            if token is not None and not secrets.compare_digest(first.encode(), token.encode()):
                line = line or "open the full address that blur printed"
        if line:
            from starlette.responses import PlainTextResponse

            await PlainTextResponse(line, 403)(scope, receive, answer)
            return
        await app(scope, receive, answer)

    return wrapped
