"""Where shops bring their orders: the domain decides, this only carries."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from admin.framing import app_of
from admin.security import everybody
from siyu import shops

# Everybody may knock; it opens only to a signature.
router = APIRouter(include_in_schema=False, dependencies=[Depends(everybody)])


@router.post(shops.PATH + "/{source}", summary="A shop tells an order", response_class=Response)
async def take_event(request: Request, source: Annotated[str, Path(max_length=32)]) -> Response:
    """Signed by the shop's own secret: 401 where it is not, 400 where a signed time is five minutes off or more.

    Whatever is signed is written down and answered 200, also what cannot be read: it waits on the page “Shops”.
    """
    app = app_of(request)
    door = await shops.accept(
        app.database, source, request.headers, await request.body(), zone=app.settings.zone, now=app.clock()
    )
    app.bells.outbox.set()
    return Response(status_code=door)
