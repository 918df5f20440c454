"""Servers for this machine alone: what a request must say, and what each answer says.

A page elsewhere may have its name lead to this machine (DNS rebinding, hence Host is checked), or
have the browser send something here (hence Origin is checked); another user of this machine may
try all ports (hence a token in the address, which nobody guesses).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
HOSTS = (LOOPBACK, "localhost", "::1")
_HEADERS = ((b"referrer-policy", b"no-referrer"), (b"x-content-type-options", b"nosniff"))


def _refusal(headers: dict[bytes, str], hosts: tuple[str, ...]) -> str:
    """Why a request is refused: another page leads or sends a browser here; empty if it is not."""
    host, origin = headers.get(b"host", ""), headers.get(b"origin")
    with suppress(ValueError):
        if not hosts or urlsplit(f"//{host}").hostname in hosts:
            foreign = origin is not None and urlsplit(origin).netloc != host
            return "requests from other pages are refused" if foreign else ""
    return f"this address is not served here; open {' or '.join(hosts)}"


def _knows(path: str, token: str) -> bool:
    """Whether the path begins with the token; how long that takes tells nothing of it."""
    first = path.removeprefix("/").partition("/")[0]
    return secrets.compare_digest(first.encode(), token.encode())


def guarded(
    app: Any, hosts: tuple[str, ...] | None, policy: bytes, token: str | None = None
) -> Any:
    """ASGI middleware that refuses what others have a browser ask for, and adds headers.

    Parameters
    ----------
    app : ASGI application
    hosts : tuple of str, optional
        Names that a request may ask for; any if empty. None refuses nothing, as a tunnel may lead
        here.
    policy : bytes
        The Content-Security-Policy of each answer.
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
                line = _refusal(_text(scope["headers"]), hosts)
            if not line and token is not None and not _knows(scope["path"], token):
                line = "open the whole address that blur printed"
        if line:
            from starlette.responses import PlainTextResponse

            await PlainTextResponse(line, 403)(scope, receive, answer)
            return
        await app(scope, receive, answer)

    return wrapped


def _text(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, str]:
    return {name: value.decode("latin-1") for name, value in headers}
