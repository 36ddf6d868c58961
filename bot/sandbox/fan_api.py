"""
The fans' side over HTTP, under /sandbox/api, for the chat page and for programs in other processes.

    GET  /world                      everything: bot, Stars, counts, people with their messages
    GET  /events                     server-sent events: the revision, whenever something changed
    GET  /calls?method=&since=&code= what the bot called; `last` is the number for the next `since`
    POST /updates                    an update, or a list of them, queued for the bot as they are
    GET  /faults                     the faults in force and how often each kind struck
    POST /faults                     {"faults": [{"kind", "share", "next", "retry_after", "methods",
                                     "telegram_ids"}], "seed"}: replaces all; an empty list heals
    GET  /people?q=&limit=           the most recently busy first
    POST /people                     {"name", "telegram_id", "username", "language", "known"}, or a list
    GET  /people/{id}                one person
    GET  /people/{id}/messages?after=   what changed in the chat after a revision
    POST /people/{id}/start          {"payload"}
    POST /people/{id}/opens          {"link"}: t.me/BOT?start=PAYLOAD
    POST /people/{id}/says           {"text"}
    POST /people/{id}/edits          {"message_id", "text"}
    POST /people/{id}/presses        {"button": text or data, "message_id"}, or any {"data", "message_id"}
    POST /people/{id}/pays           {"message_id"}; answers when it is over: {"outcome", "charge_id", "error"}
    POST /people/{id}/reacts         {"message_id", "emoji"}
    POST /people/{id}/sends          {"kind": photo, video, document, voice, sticker, location or contact, …}
    POST /people/{id}/reads, /blocks, /unblocks, /deletes_account

Refusals are {"error": sentence}: 400 for a wrong call, 404 for nobody, 409 for what the person cannot do now.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from aiohttp import web

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.messages import ChatMessage
from bot.sandbox.payments import Payment
from bot.sandbox.people import Impossible, Person
from bot.sandbox.portraits import chat_portrait, people_list, world_portrait
from bot.sandbox.shapes import Payload
from bot.sandbox.world import World

_HEARTBEAT_SECONDS = 15.0
_BREATH_SECONDS = 0.1
_COMMON_LIST = 100

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FanApi:
    """Everything a person can do, as a call."""

    def __init__(self, world: World) -> None:
        self._world = world

    def add_routes(self, app: web.Application) -> None:
        """Take over /sandbox/api."""
        routes: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/world", self.show_world),
            ("GET", "/events", self.stream_events),
            ("GET", "/calls", self.list_calls),
            ("POST", "/updates", self.push_update),
            ("GET", "/faults", self.show_faults),
            ("POST", "/faults", self.set_faults),
            ("GET", "/people", self.list_people),
            ("POST", "/people", self.add_people),
            ("GET", "/people/{id}", self.show_person),
            ("GET", "/people/{id}/messages", self.show_chat),
            ("POST", "/people/{id}/{verb}", self.act),
        )
        for method, path, handler in routes:
            app.router.add_route(method, f"/sandbox/api{path}", _guarded(handler))

    async def show_world(self, request: web.Request) -> web.Response:
        """GET world: everything, as JSON."""
        return _json(world_portrait(self._world))

    async def list_calls(self, request: web.Request) -> web.Response:
        """GET calls?method=&since=&code=: the bot's calls after number `since`."""
        log, method = self._world.calls, request.query.get("method") or None
        calls = log.find(method, since=_number(request, "since", 0), code=_number(request, "code", 0) or None)
        counts = {"by_method": log.by_method, "by_code": log.by_code}
        return _json({"last": len(log), **counts, "calls": [call.as_json() for call in calls]})

    async def push_update(self, request: web.Request) -> web.Response:
        """POST updates: an update, or a list of them, queued as they are."""
        body = await _body(request)
        updates = body if isinstance(body, list) else [body]
        if not all(isinstance(update, dict) for update in updates):
            raise ValueError("an update must be an object")
        return _json({"update_ids": [self._world.push_update(update) for update in updates]})

    async def show_faults(self, request: web.Request) -> web.Response:
        """GET faults: what is in force and how often each kind struck."""
        faults = self._world.faults
        active = [asdict(fault) for fault in faults.active]
        return _json({"seed": faults.seed, "faults": active, "struck": faults.struck})

    async def set_faults(self, request: web.Request) -> web.Response:
        """POST faults {"faults": [{"kind", "share", "next", …}], "seed"}: replaces all faults."""
        body = await _object(request)
        faults = [_fault(fault) for fault in body.get("faults", [])]
        self._world.faults.set(*faults, seed=body.get("seed"))
        return await self.show_faults(request)

    async def list_people(self, request: web.Request) -> web.Response:
        """GET people?q=&limit=: the most recently busy first."""
        limit = _number(request, "limit", _COMMON_LIST)
        return _json(people_list(self._world, request.query.get("q", ""), limit))

    async def add_people(self, request: web.Request) -> web.Response:
        """POST people: one {"name", "telegram_id", "username", "language", "known"}, or a list."""
        body = await _body(request)
        if isinstance(body, dict) and "people" not in body:
            return _json(self._added(body).as_json(), status=201)
        newcomers = body["people"] if isinstance(body, dict) else body
        if not isinstance(newcomers, list) or not all(isinstance(newcomer, dict) for newcomer in newcomers):
            raise ValueError("people are a list of objects")
        people = [self._added(newcomer) for newcomer in newcomers]
        return _json({"people": [person.as_json() for person in people]}, status=201)

    async def show_person(self, request: web.Request) -> web.Response:
        """GET people/{id}."""
        return _json(self._person(request).as_json())

    async def show_chat(self, request: web.Request) -> web.Response:
        """GET people/{id}/messages?after=: what changed in the chat after a revision."""
        return _json(chat_portrait(self._person(request), after=_number(request, "after", 0)))

    async def act(self, request: web.Request) -> web.Response:
        """POST people/{id}/{verb}."""
        person = self._person(request)
        verb = _VERBS.get(request.match_info["verb"])
        if verb is None:
            raise web.HTTPNotFound
        done = verb(person, await _object(request))
        return _json(_told(await done if isinstance(done, Awaitable) else done))

    async def stream_events(self, request: web.Request) -> web.StreamResponse:
        """GET events: server-sent, the current revision whenever something changed."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        seen = -1
        while True:
            revision = await self._world.changes.beyond(seen, within=_HEARTBEAT_SECONDS)
            await response.write(f"data: {revision}\n\n".encode() if revision > seen else b": still here\n\n")
            seen = revision
            await asyncio.sleep(_BREATH_SECONDS)

    def _person(self, request: web.Request) -> Person:
        number = request.match_info["id"]
        person = self._world.people.get(int(number)) if number.isdecimal() else None
        if person is None:
            raise web.HTTPNotFound
        return person

    def _added(self, newcomer: Payload) -> Person:
        name = str(newcomer.get("name") or "").strip()
        if not name:
            raise ValueError("a person needs a name")
        return self._world.add_person(
            name=name,
            telegram_id=int(newcomer.get("telegram_id") or 0) or None,
            username=newcomer.get("username") or None,
            language=newcomer.get("language", "en") or None,
            known=bool(newcomer.get("known")),
        )


_VERBS: dict[str, Callable[[Person, Payload], object]] = {
    "start": lambda person, body: person.start(str(body.get("payload", ""))),
    "opens": lambda person, body: person.opens(str(body["link"])),
    "says": lambda person, body: person.says(str(body["text"])),
    "edits": lambda person, body: person.edits(int(body["message_id"]), str(body["text"])),
    "presses": lambda person, body: _press(person, body),
    "pays": lambda person, body: person.pays(body.get("message_id")),
    "reacts": lambda person, body: person.reacts(int(body["message_id"]), str(body.get("emoji", ""))),
    "sends": lambda person, body: _send(person, body),
    "reads": lambda person, body: person.reads(),
    "blocks": lambda person, body: person.blocks(),
    "unblocks": lambda person, body: person.unblocks(),
    "deletes_account": lambda person, body: person.deletes_account(),
}


def _press(person: Person, body: Payload) -> str | None:
    message_id = body.get("message_id")
    if "data" not in body:
        return person.presses(str(body["button"]), message_id)
    message = person.find(message_id) if message_id is not None else None
    return person.presses_data(str(body["data"]), message)


def _send(person: Person, body: Payload) -> ChatMessage:
    match body.get("kind"):
        case "photo":
            return person.sends_photo(str(body.get("caption", "")))
        case "video":
            return person.sends_video(str(body.get("caption", "")))
        case "document":
            return person.sends_document(str(body.get("file_name", "document.pdf")), str(body.get("caption", "")))
        case "voice":
            return person.sends_voice(int(body.get("seconds", 3)))
        case "sticker":
            return person.sends_sticker(str(body.get("emoji", "👍")))
        case "location":
            return person.sends_location(float(body["latitude"]), float(body["longitude"]))
        case "contact":
            return person.sends_contact(str(body["phone"]))
        case other:
            raise ValueError(f"a person cannot send {other!r}")


def _told(done: object) -> object:
    match done:
        case ChatMessage():
            return done.as_json()
        case Payment():
            return asdict(done)
        case str():
            return {"ok": True, "query_id": done}
        case _:
            return {"ok": True}


def _fault(wanted: Payload) -> Fault:
    details = {name: value for name, value in wanted.items() if name != "kind"}
    for name in ("methods", "telegram_ids"):
        details[name] = tuple(details.get(name, ()))
    return Fault(kind=FaultKind(wanted["kind"]), **details)


def _guarded(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        # Any page in the same browser could reach this port.
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            return _json({"error": "only the sandbox's own pages may call this"}, status=403)
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return _json({"error": "there is nobody and nothing at this address"}, status=404)
        except Impossible as impossible:
            return _json({"error": str(impossible)}, status=409)
        except KeyError as missing:
            return _json({"error": f"{missing.args[0]} is missing"}, status=400)
        except (TypeError, ValueError) as wrong:
            return _json({"error": str(wrong)}, status=400)

    return guarded


async def _body(request: web.Request) -> Payload | list[Payload]:
    text = await request.text()
    body = json.loads(text) if text.strip() else {}
    if not isinstance(body, dict | list):
        raise ValueError("the body must be a JSON object or list")
    return body


async def _object(request: web.Request) -> Payload:
    body = await _body(request)
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


def _number(request: web.Request, name: str, default: int) -> int:
    return int(request.query.get(name) or default)


def _json(content: object, *, status: int = 200) -> web.Response:
    body = json.dumps(content, ensure_ascii=False).encode()
    return web.Response(status=status, body=body, headers={"Content-Type": "application/json"})
