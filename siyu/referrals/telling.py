"""Telling: who was rewarded and does not know it yet, outside their quiet hours."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select, update
from sqlmodel import col

from siyu import mailroom, preferences
from siyu.kit.database import WriteSession
from siyu.kit.wording import Words, choose_locale, phrase, words
from siyu.tables import Coupon, Fan, Offer, Reach, RewardGrant, RewardRule, RewardState

AT_ONCE = 200


@dataclass(frozen=True)
class _Told:
    """A reward and whose it is; `offer` is the coupon's title, where there is one."""

    grant_id: int
    rule: RewardRule
    points: int
    fan: Fan
    offer: str | None


async def tell(session: WriteSession, *, zone: ZoneInfo, now: datetime) -> int:
    """A message to each fan whose reward came, in their language; whoever sleeps is told later. How many."""
    told = await _untold(session, zone=zone, now=now)
    await mailroom.post(session, [_message(one, now) for one in told])
    ids = [one.grant_id for one in told]
    await session.run(update(RewardGrant).where(col(RewardGrant.id).in_(ids)).values(told_at=now))
    return len(told)


async def _untold(session: WriteSession, *, zone: ZoneInfo, now: datetime) -> list[_Told]:
    """Rewards of fans who can be reached and are not asleep."""
    rows = (
        select(col(RewardGrant.id), col(RewardGrant.rule), col(RewardGrant.points), Fan, col(Offer.title))
        .join(Fan, col(Fan.id) == col(RewardGrant.fan_id))
        .outerjoin(Coupon, col(Coupon.id) == col(RewardGrant.coupon_id))
        .outerjoin(Offer, col(Offer.id) == col(Coupon.offer_id))
        .where(col(RewardGrant.state) == RewardState.GRANTED, col(RewardGrant.told_at).is_(None))
        .where(or_(col(RewardGrant.points) > 0, col(RewardGrant.coupon_id).is_not(None)))
        .where(col(Fan.reach) == Reach.REACHABLE)
        .order_by(col(RewardGrant.id))
    )
    likes = await preferences.read(session)
    waiting = [_Told(*row) for row in await session.rows(rows)]
    return [one for one in waiting if not preferences.is_quiet_for(one.fan, likes, house=zone, now=now)][:AT_ONCE]


def _message(one: _Told, now: datetime) -> dict[str, object]:
    language = words(choose_locale(one.fan.chosen_language or one.fan.language))
    text = " ".join([language.gettext(_WHY[one.rule]), *_worth(one, language)])
    payload = {"chat_id": one.fan.telegram_id, "text": text}
    cause = f"reward:{one.grant_id}"
    return mailroom.outgoing(
        "sendMessage", payload, person_id=one.fan.telegram_id, lane=mailroom.NOTICE, cause=cause, now=now
    )


def _worth(one: _Told, language: Words) -> list[str]:
    points = language.ngettext("+%(num)d point.", "+%(num)d points.", one.points) % {"num": one.points}
    coupon = language.gettext("A coupon for you: %(title)s. It is in your /wallet.") % {"title": one.offer}
    return [points] * (one.points > 0) + [coupon] * (one.offer is not None)


_WHY = {
    RewardRule.REFERRER: phrase("🎉 A friend you invited bought something: thank you!"),
    RewardRule.NEWCOMER: phrase("🎉 You came by a friend’s link and bought something: welcome!"),
    RewardRule.MILESTONE: phrase("🏅 So many of your friends came that you reached a milestone: thank you!"),
}
