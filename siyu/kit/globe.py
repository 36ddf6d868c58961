"""Places on the globe as people write them, `31.23, 121.47`, and how far two of them lie apart."""

import re
from math import asin, cos, radians, sin, sqrt

from siyu.kit.errors import Invalid

EARTH_KM = 6_371
_PLACE = re.compile(r"(-?\d{1,2}(?:\.\d{1,15})?), ?(-?\d{1,3}(?:\.\d{1,15})?)")


def read_place(text: str) -> tuple[float, float]:
    """Latitude and longitude in degrees. Raises Invalid."""
    found = _PLACE.fullmatch(text.strip())
    north, east = (float(found[1]), float(found[2])) if found else (91.0, 181.0)
    if abs(north) > 90 or abs(east) > 180:
        raise Invalid("a place is written as latitude and longitude: 31.23, 121.47")
    return north, east


def distance_km(one: str, other: str) -> float:
    """The shortest way over the globe. Raises Invalid for what is no place."""
    (north, east), (north_2, east_2) = (tuple(map(radians, read_place(text))) for text in (one, other))
    half = sin((north_2 - north) / 2) ** 2 + cos(north) * cos(north_2) * sin((east_2 - east) / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(min(1.0, half)))
