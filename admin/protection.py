"""The protecting headers on every answer: nothing from elsewhere, in nobody's frame, guessed at by no browser."""

from collections.abc import MutableMapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROTECTION = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: that would make the Origin of our own forms "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Protection:
    """The protecting headers on every answer."""

    def __init__(self, inner: ASGIApp, *, https: bool) -> None:
        self.inner = inner
        self.headers = {**PROTECTION, **({"Strict-Transport-Security": "max-age=31536000"} if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                protect(message, self.headers)
            await send(message)

        await self.inner(scope, receive, send_protected if scope["type"] == "http" else send)


def protect(message: MutableMapping[str, object], headers: dict[str, str]) -> None:
    """Pages hold what only their reader may see: kept by nobody, unless the answer says otherwise."""
    answered = MutableHeaders(raw=message["headers"])  # type: ignore[arg-type]  # ASGI messages are untyped
    for name, value in headers.items():
        answered[name] = value
    answered.setdefault("Cache-Control", "no-store")
