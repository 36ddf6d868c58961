"""The Bot API over HTTP: /bot<token>/<method> and /file/bot<token>/<path>."""

import asyncio
import hmac
import json
import time
from collections.abc import Mapping

from aiohttp import web

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.methods import IMMEDIATE, SENDING, WAITING
from bot.sandbox.parameters import Parameters, read_parameters
from bot.sandbox.refusals import Refusal, bad_request, blocked, too_many
from bot.sandbox.world import World

_BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_UNAUTHORIZED = Refusal(401, "Unauthorized")
_BEFORE = frozenset(
    {
        FaultKind.TOO_MANY,
        FaultKind.SERVER_ERROR,
        FaultKind.BAD_GATEWAY,
        FaultKind.DROP_BEFORE,
        FaultKind.BLOCKED,
        FaultKind.BAD_CONTENT,
    }
)


class BotApi:
    """Answers the bot."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._token = world.options.token.encode()
        self._delay = world.options.delay
        world.webhook.answered = self._perform_reply

    def add_routes(self, app: web.Application) -> None:
        """Take over the addresses of the Bot API."""
        app.router.add_route("*", "/bot{token}/{method}", self.answer)
        app.router.add_get("/file/bot{token}/{path:.+}", self.file)

    async def answer(self, request: web.Request) -> web.Response:
        """One call."""
        spoken = request.match_info["method"]
        method = spoken.lower()
        try:
            self._must_be_the_bot(request)
            parameters = await read_parameters(request)
        except Refusal as refusal:
            return _response(refusal.code, refusal.as_answer())
        sends = method in SENDING
        fault = self._world.faults.strike(spoken, _chat_id(parameters), sends=sends)
        if fault is not None and fault.kind in _BEFORE:
            return self._spoil(request, spoken, parameters, fault)
        code, answer = await self._perform(method, spoken, parameters)
        if sends and self._delay:
            await asyncio.sleep(self._delay)
        if fault is not None:
            await self._lose_reply(request, fault)
        return _response(code, answer)

    async def file(self, request: web.Request) -> web.Response:
        """The contents of a file."""
        try:
            self._must_be_the_bot(request)
        except Refusal as refusal:
            return _response(refusal.code, refusal.as_answer())
        file = self._world.files.find_path(request.match_info["path"])
        if file is None:
            return _response(404, Refusal(404, "Not Found").as_answer())
        return web.Response(body=file.content, content_type=file.content_type or "application/octet-stream")

    def _must_be_the_bot(self, request: web.Request) -> None:
        if not hmac.compare_digest(request.match_info["token"].encode(), self._token):
            raise _UNAUTHORIZED

    async def _perform(self, method: str, spoken: str, parameters: Parameters) -> tuple[int, Mapping[str, object]]:
        if method not in WAITING:
            return self._perform_at_once(method, spoken, parameters)
        try:
            return self._noted(spoken, parameters, await WAITING[method](self._world, parameters))
        except Refusal as refusal:
            return self._noted_refusal(spoken, parameters, refusal)

    def _perform_at_once(self, method: str, spoken: str, parameters: Parameters) -> tuple[int, Mapping[str, object]]:
        try:
            act = IMMEDIATE.get(method)
            if act is None:
                raise Refusal(404, f"Not Found: method {spoken} is not part of the sandbox")
            if method not in SENDING:
                return self._noted(spoken, parameters, act(self._world, parameters))
            chat_id, now = _chat_id(parameters), time.monotonic()
            self._world.pacer.admit(chat_id, now)
            result = act(self._world, parameters)
            self._world.pacer.note(chat_id, now)
            return self._noted(spoken, parameters, result)
        except Refusal as refusal:
            return self._noted_refusal(spoken, parameters, refusal)

    def _perform_reply(self, method: str, values: dict[str, object]) -> object:
        return self._perform_at_once(method.lower(), method, Parameters(values))

    def _noted(self, spoken: str, parameters: Parameters, result: object) -> tuple[int, Mapping[str, object]]:
        self._world.calls.note(spoken, parameters.values, 200, result, time.monotonic())
        return 200, {"ok": True, "result": result}

    def _noted_refusal(self, spoken: str, parameters: Parameters, refusal: Refusal) -> tuple[int, Mapping[str, object]]:
        answer = refusal.as_answer()
        self._world.calls.note(spoken, parameters.values, refusal.code, answer, time.monotonic())
        return refusal.code, answer

    def _spoil(self, request: web.Request, spoken: str, parameters: Parameters, fault: Fault) -> web.Response:
        match fault.kind:
            case FaultKind.DROP_BEFORE:
                self._world.calls.note(spoken, parameters.values, 0, None, time.monotonic())
                return _cut(request)
            case FaultKind.BAD_GATEWAY:
                self._world.calls.note(spoken, parameters.values, 502, None, time.monotonic())
                return web.Response(status=502, text=_BAD_GATEWAY, content_type="text/html")
            case FaultKind.TOO_MANY:
                refusal = too_many(fault.retry_after)
            case FaultKind.BLOCKED:
                refusal = blocked()
            case FaultKind.BAD_CONTENT:
                refusal = bad_request("can't parse entities: this call was chosen to fail")
            case _:
                refusal = Refusal(500, "Internal Server Error")
        code, answer = self._noted_refusal(spoken, parameters, refusal)
        return _response(code, answer)

    async def _lose_reply(self, request: web.Request, fault: Fault) -> None:
        if fault.kind is FaultKind.HANG:
            await asyncio.Event().wait()  # until the bot hangs up, or the sandbox stops
        _cut(request)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _chat_id(parameters: Parameters) -> int:
    chat_id = parameters.text("chat_id")
    return int(chat_id) if chat_id.lstrip("-").isdecimal() else 0


def _response(code: int, answer: Mapping[str, object]) -> web.Response:
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(status=code, body=body, headers={"Content-Type": "application/json"})
