"""What follows a POST: it is done and told, or refused and told; the next look is a GET either way."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Path, Request, Response

from admin.pages.frame import Flash, app_of, go, refusal, words_of
from siyu.kit.database import WriteSession
from siyu.kit.errors import Conflict, Invalid

# Above every row we will ever have, below what a database integer holds.
RowId = Annotated[int, Path(ge=1, le=2**52)]

Verb = Callable[[WriteSession], Awaitable[object]]


async def do(request: Request, back: str, told: str, verb: Verb) -> Response:
    """One verb of the domain in a transaction of its own; `told` is a message id."""
    try:
        async with app_of(request).database.writing() as session:
            await verb(session)
    except (Conflict, Invalid) as error:
        return go(back, refusal(request, error))
    return go(back, Flash(words_of(request).gettext(told)))
