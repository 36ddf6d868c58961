"""Near home: where a fan says they are, held against where the community is at home."""

from datetime import datetime

from siyu import attributes
from siyu.kit.database import WriteSession
from siyu.kit.errors import Invalid
from siyu.kit.globe import distance_km
from siyu.segments.dimensions import Own
from siyu.segments.thresholds import own_of
from siyu.tables import Fan


async def note_place(session: WriteSession, fan: Fan, place: str, *, now: datetime) -> bool:
    """Whoever shares a place (`31.2, 121.5`) within the home's circle gets its country and region; whether it was.

    Of a place beyond it nobody here can say which country it is: nothing is written.
    """
    home = (await own_of(session, "geography")).get(Own.HOME, {})
    try:
        if "km" not in home or distance_km(place, home["place"]) > int(home["km"]):
            return False
        named = {name: home.get(name, "") for name in ("country", "region")}
        fitted = attributes.fit(await attributes.binding(session), named)
    except Invalid:  # an attribute of the house that takes some words only, and the home's is none of them
        return False
    await attributes.keep(session, [(fan, fitted)], now=now)
    return True
