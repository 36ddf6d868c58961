"""What it costs to be faster than Telegram lets everybody be."""

import pytest

from siyu import broadcasts
from siyu.broadcasts import Draft
from siyu.kit.money import Money

PHOTO = {"kind": "photo", "file": "https://tea.example/a.jpg"}
POST = {"chat_id": 7, "message_id": 9}


@pytest.mark.parametrize(
    ("written", "fans", "stars"),
    [
        ({}, 0, 0),
        ({}, 1, 1),
        ({}, 10, 1),
        ({}, 100_001, 10_001),
        ({"media": (PHOTO,) * 3}, 1000, 300),
        ({"copied": POST}, 1000, 100),
    ],
)
def test_a_message_costs_a_tenth_of_a_star_and_an_album_as_much_as_its_pictures(written, fans, stars):
    draft = Draft(**{"title": "Tea", "include": ("loyalty.loyal",), "text": "Tea", **written})

    assert broadcasts.price(draft, fans) == Money(stars, "XTR")
