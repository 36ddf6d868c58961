"""Receipts of payments we heard of late: written when they are booked, read when the fan is awake."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from siyu import mailroom, preferences
from siyu.kit import figures
from siyu.kit.database import WriteSession
from siyu.kit.wording import choose_locale, words
from siyu.purchases.checkouts import Again, Settled, SettledOddly
from siyu.tables import Fan, Reach


@dataclass(frozen=True)
class Late:
    """A payment nobody was thanked for yet, and what became of it."""

    charge_id: str
    fan: Fan
    settled: Settled | SettledOddly | Again


async def send_receipts(session: WriteSession, late: Iterable[Late], *, zone: ZoneInfo, now: datetime) -> None:
    """One for each charge that bought something; at night it waits for the fan's morning.

    It waits in the lane of answers, which holds up nothing else that is for this fan.
    """
    likes = await preferences.read(session)
    rows = [
        mailroom.outgoing(
            "sendMessage", _message(one.fan, one.settled), person_id=one.fan.telegram_id, lane=mailroom.ANSWER,
            cause=f"receipt:{one.charge_id}", now=now,
            not_before=preferences.quiet_until(one.fan, likes, house=zone, now=now),
        )
        for one in late if isinstance(one.settled, Settled) and one.fan.reach is Reach.REACHABLE
    ]  # fmt: skip
    await mailroom.post(session, rows)


def _message(fan: Fan, settled: Settled) -> dict[str, object]:
    said = words(fan.chosen_language or choose_locale(fan.language))
    thanks = said.gettext("Your payment reached us late, while we were away. Thank you!")
    paid = figures.money(settled.amount, said.locale)
    lines = [f"✅ {thanks}", f"{escape(settled.product.title, quote=False)} · <b>{paid}</b>"]
    if settled.discount:
        saved = said.gettext("Your coupon saved you %(saved)s.")
        lines.append("🎟 " + saved % {"saved": figures.money(settled.saved, said.locale)})
    lines.append(said.gettext("Something wrong? /paysupport"))
    return {"chat_id": fan.telegram_id, "text": "\n\n".join(lines), "parse_mode": "HTML"}
