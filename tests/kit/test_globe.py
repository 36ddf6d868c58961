"""Places on the globe, and the ways between them."""

import pytest

from siyu.kit.errors import Invalid
from siyu.kit.globe import distance_km, read_place


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        ("31.23, 121.47", "31.23, 121.47", 0),
        ("31.2304, 121.4737", "39.9042, 116.4074", 1067),  # Shanghai and Beijing
        ("52.52, 13.405", "48.1374,11.5755", 504),  # Berlin and Munich
        ("0, 179.5", "0, -179.5", 111),  # a degree at the equator, over the date line
        ("90, 0", "-90, 0", 20015),
    ],
)
def test_the_way_is_as_long_as_on_the_map(one: str, other: str, km: int) -> None:
    assert round(distance_km(one, other)) == pytest.approx(km, abs=1)


@pytest.mark.parametrize("text", ["", "31.23", "31.23; 121.47", "90.1, 0", "0, 180.1", "nan, nan", "1e3, 0", "北, 东"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_place(text)
