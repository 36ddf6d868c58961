"""How the house says no: a few words a program can match, and a sentence a person can act on."""


class SiyuError(Exception):
    """Something was asked that cannot be; `reason` is a stable word, the message a sentence.

    The sentence is an English message id of the catalogue; faces translate it and fill in `values`.
    """

    reason = "failed"

    def __init__(self, sentence: str, *, reason: str | None = None, **values: object) -> None:
        super().__init__(sentence % values if values else sentence)
        self.sentence = sentence
        self.values = values
        self.reason = reason or type(self).reason


class Invalid(SiyuError):
    """What was given is not well formed; nothing was changed."""

    reason = "invalid"

    def __init__(
        self, sentence: str, *, where: tuple[str | int, ...] = (), reason: str | None = None, **values: object
    ):
        super().__init__(sentence, reason=reason, **values)
        self.where = where


class NotFound(SiyuError):
    """There is no such thing."""

    reason = "not_found"


class Conflict(SiyuError):
    """The thing is there, but its state does not allow this; nothing was changed."""

    reason = "conflict"


class Forbidden(SiyuError):
    """Somebody asked for what is not theirs to do."""

    reason = "forbidden"
