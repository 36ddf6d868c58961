"""The ways the Bot API says no, in Telegram's own words."""

from collections.abc import Mapping


class Refusal(Exception):
    """An answer with `ok: false`; the description is what Telegram would write."""

    def __init__(self, code: int, description: str, *, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after

    def as_answer(self) -> Mapping[str, object]:
        """The JSON body of the refusal."""
        answer: dict[str, object] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.retry_after is not None:
            answer["parameters"] = {"retry_after": self.retry_after}
        return answer


def bad_request(why: str) -> Refusal:
    """The call itself is wrong: 400."""
    return Refusal(400, f"Bad Request: {why}")


def forbidden(why: str) -> Refusal:
    """The person does not want to, or cannot, be written to: 403."""
    return Refusal(403, f"Forbidden: {why}")


def conflict(why: str) -> Refusal:
    """Two ways of fetching updates collide: 409."""
    return Refusal(409, f"Conflict: {why}")


def too_many(retry_after: int) -> Refusal:
    """Too fast: 429, to be tried again in `retry_after` seconds."""
    return Refusal(429, f"Too Many Requests: retry after {retry_after}", retry_after=retry_after)


def blocked() -> Refusal:
    """The person has blocked the bot."""
    return forbidden("bot was blocked by the user")
