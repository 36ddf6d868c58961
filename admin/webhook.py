"""Where Telegram brings updates: the mailroom decides, this only carries."""

from fastapi import APIRouter, Depends, Request, Response

from admin.framing import app_of
from admin.security import everybody
from siyu import mailroom
from siyu.mailroom.webhook import SECRET_HEADER

PATH = "/telegram/webhook"

# Everybody may knock; the mailroom opens only to who knows the secret.
router = APIRouter(include_in_schema=False, dependencies=[Depends(everybody)])


@router.post(PATH)
async def take_update(request: Request) -> Response:
    app = app_of(request)
    secret, body = request.headers.get(SECRET_HEADER), await request.body()
    status = await mailroom.accept_webhook(app.database, app.settings, secret, body, now=app.clock())
    if status == 200:
        app.bells.inbox.set()
    return Response(status_code=status)
