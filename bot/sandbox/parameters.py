"""What a call to the Bot API carries, in whichever of Telegram's encodings it came."""

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from yarl import URL

from bot.sandbox.refusals import bad_request

_YES = frozenset({"true", "1", "yes", "y"})


@dataclass(frozen=True)
class Upload:
    """A file sent with a call."""

    name: str
    content_type: str
    content: bytes


class Parameters:
    """The named values of one call; forms bring strings, JSON brings anything."""

    __slots__ = ("uploads", "values")

    # Any: JSON from outside; every reading below checks what it gets.
    def __init__(self, values: dict[str, Any], uploads: dict[str, Upload] | None = None) -> None:
        self.values = values
        self.uploads = uploads or {}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """The value as text."""
        value = self.values.get(name, default)
        return value if isinstance(value, str) else default if value is None else str(value)

    def number(self, name: str, default: int = 0) -> int:
        """The value as a whole number."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        try:
            return int(value)
        except (TypeError, ValueError):
            raise bad_request(f'invalid parameter "{name}" specified, an integer is expected') from None

    def flag(self, name: str) -> bool:
        """The value as yes or no."""
        value = self.values.get(name)
        return value if isinstance(value, bool) else str(value).lower() in _YES

    def data(self, name: str) -> Any:
        """The value as JSON; None where it was not given."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad_request(f"can't parse {name.replace('_', ' ')} JSON object") from None

    def rows(self, name: str) -> list[Any]:
        """The value as a JSON array; empty where it was not given."""
        value = self.data(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise bad_request(f"can't parse {name}: expected an Array")
        return value

    def upload(self, name: str) -> Upload | None:
        """The file sent under this name, directly or by an attach:// address."""
        value = self.values.get(name)
        if isinstance(value, str) and value.startswith("attach://"):
            return self.uploads.get(value.removeprefix("attach://"))
        return self.uploads.get(name)


async def read_parameters(request: web.Request) -> Parameters:
    """Read a call's query string and body."""
    values: dict[str, Any] = dict(request.query) if request.query_string else {}
    if not request.body_exists:
        return Parameters(values)
    kind = request.content_type
    if kind == "application/json":
        return Parameters(values | _json_object(await request.read()))
    if kind == "multipart/form-data":
        return await _multipart(request, values)
    # A form's body is a query string; aiohttp's own URL type reads one in a third of the time of parse_qsl.
    form = URL.build(query_string=(await request.read()).decode(errors="replace"), encoded=True)
    return Parameters(values | dict(form.query))


# Any: as in Parameters.
def _json_object(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body or b"{}")
    except ValueError:
        raise bad_request("can't parse request body as JSON") from None
    if not isinstance(values, dict):
        raise bad_request("object expected as request body")
    return values


async def _multipart(request: web.Request, values: dict[str, Any]) -> Parameters:
    uploads = {}
    for name, part in (await request.post()).items():
        if isinstance(part, web.FileField):
            uploads[name] = Upload(part.filename, part.content_type, part.file.read())
        else:
            values[name] = part
    return Parameters(values, uploads)
