import pytest

from siyu import broadcasts
from siyu.broadcasts import Draft
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.tables import Offer as OfferRow
from siyu.tables import OfferKind, OfferState
from tests.broadcasting import MEI, SEGMENT, composed, given_fans, started


def a_draft(**changes) -> Draft:
    return Draft(**{"title": "Come back", "include": (SEGMENT,), "text": "We miss you", **changes})


async def an_offer(app, *, state: OfferState = OfferState.ACTIVE) -> int:
    now = app.clock()
    offer = OfferRow(
        code="TEN", title="Ten percent", kind=OfferKind.PERCENT, value=10, currency="CNY", stock=100,
        ends_at=now.replace(year=now.year + 1), state=state, created_at=now, created_by="operator:7",
    )  # fmt: skip
    async with app.database.writing() as session:
        session.add(offer)
        await session.flush()
    return offer.id or 0


async def test_a_draft_is_kept_as_it_was_written(app):
    broadcast = await composed(app, buttons=[[{"text": " Look ", "url": "https://tea.example"}], []], rate=5)

    async with app.database.reading() as session:
        kept = await broadcasts.get_broadcast(session, broadcast.id or 0)
    assert (kept.title, kept.include, kept.state, kept.created_by) == ("Come back", [SEGMENT], "draft", "operator:7")
    assert (kept.text, kept.rate, kept.on_unknown) == ("We <b>miss</b> you", 5, "leave")
    assert kept.buttons == [[{"text": "Look", "url": "https://tea.example"}]]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"title": "  "}, ("title",)),
        ({"title": "x" * 201}, ("title",)),
        ({"title": "nul\x00"}, ("title",)),
        ({"include": ()}, ("include",)),
        ({"include": ("loyalty.imaginary",)}, ("include",)),
        ({"exclude": ("nonsense",)}, ("exclude",)),
        ({"text": " <b> </b> "}, ("text",)),
        ({"text": "x" * 4097}, ("text",)),
        ({"text": "<b>open"}, ("text",)),
        ({"text": "half \ud83d"}, ("text",)),
        ({"text": "x" * 1025, "media": [{"kind": "photo", "file": "https://tea.example/a.jpg"}]}, ("text",)),
        ({"media": [{"kind": "photo", "file": "file:///etc/passwd"}]}, ("media", 0)),
        ({"on_unknown": "guess"}, ("on_unknown",)),
        ({"rate": 0}, ("rate",)),
        ({"rate": float("nan")}, ("rate",)),
        ({"rate": 1001}, ("rate",)),
        ({"offer_id": 404}, ("offer",)),
        ({"buttons": "shop"}, ("buttons",)),
        ({"buttons": ["shop"]}, ("buttons",)),
        ({"buttons": [["shop"]]}, ("buttons", 0, 0)),
        ({"buttons": [[{"text": "", "action": "shop"}]]}, ("buttons", 0, 0, "text")),
        ({"buttons": [[{"text": "x" * 65, "action": "shop"}]]}, ("buttons", 0, 0, "text")),
        ({"buttons": [[{"text": "Look"}]]}, ("buttons", 0, 0)),
        ({"buttons": [[{"text": "Look", "action": "shop", "url": "https://a.example"}]]}, ("buttons", 0, 0)),
        ({"buttons": [[{"text": "Look", "action": "mute"}]]}, ("buttons", 0, 0, "action")),
        ({"buttons": [[{"text": "Look", "action": "erase"}]]}, ("buttons", 0, 0, "action")),
        ({"buttons": [[], [{"text": "Look", "url": "ftp://a.example"}]]}, ("buttons", 1, 0, "url")),
        ({"buttons": [[{"text": "Look", "url": "javascript:alert(1)"}]]}, ("buttons", 0, 0, "url")),
        ({"buttons": [[{"text": "Look", "url": "https://localhost"}]]}, ("buttons", 0, 0, "url")),
        ({"buttons": [[{"text": "Look", "action": "shop"}]] * 98}, ("buttons",)),
        ({"buttons": [[{"text": "Claim", "action": "claim"}]]}, ("offer",)),
    ],
)  # fmt: skip
async def test_each_mistake_is_refused_with_its_place_and_nothing_is_kept(app, changes, place):
    with pytest.raises(Invalid) as refusal:
        await composed(app, **changes)

    assert refusal.value.where == place
    async with app.database.reading() as session:
        assert not (await broadcasts.list_broadcasts(session)).items


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "😀" * 4096},
        {"text": "<b>" + "x" * 4096 + "</b>"},
        {"text": "x" * 1024, "media": [{"kind": "photo", "file": "https://tea.example/a.jpg"}]},
        {"media": [{"kind": "photo", "file": "AgACAgIAAxkBAAIBY2"}]},
        {"buttons": [[{"text": "Look", "action": "shop"}] * 8] * 12},
        {"rate": 0.5},
    ],
)
async def test_what_telegram_takes_is_taken(app, changes):
    assert (await composed(app, **changes)).state == "draft"


async def test_a_form_is_told_all_its_mistakes_at_once(app):
    draft = a_draft(title="", text="<x>", buttons=[[{"text": "", "url": "x"}]], rate=-1)

    async with app.database.reading() as session:
        found = await broadcasts.mistakes(session, draft)

    assert [mistake.where for mistake in found] == [
        ("title",), ("text",), ("buttons", 0, 0, "text"), ("buttons", 0, 0, "url"), ("rate",),
    ]  # fmt: skip


async def test_a_draft_can_be_written_anew_until_it_is_started(app):
    await given_fans(app, 1)
    broadcast = await composed(app)

    async with app.database.writing() as session:
        edited = await broadcasts.edit(session, MEI, broadcast.id or 0, a_draft(text="Anew"), now=app.clock())
        await broadcasts.start(session, broadcast.id or 0, actor=MEI, now=app.clock())

    assert edited.text == "Anew"
    with pytest.raises(Conflict) as refusal:
        async with app.database.writing() as session:
            await broadcasts.edit(session, MEI, broadcast.id or 0, a_draft(), now=app.clock())
    assert refusal.value.reason == "not_a_draft"


async def test_writing_anew_what_does_not_exist_is_not_found(app):
    with pytest.raises(NotFound):
        async with app.database.writing() as session:
            await broadcasts.edit(session, MEI, 404, a_draft(), now=app.clock())


async def test_the_list_shows_the_newest_first_page_by_page(app):
    ids = [(await composed(app, title=f"No. {n}")).id for n in range(5)]

    async with app.database.reading() as session:
        first = await broadcasts.list_broadcasts(session, limit=3)
        rest = await broadcasts.list_broadcasts(session, limit=3, cursor=first.next)

    assert [one.id for one in (*first.items, *rest.items)] == ids[::-1]
    assert rest.next is None


@pytest.mark.parametrize("state", [OfferState.DRAFT, OfferState.PAUSED])
async def test_a_broadcast_with_an_offer_that_is_not_open_does_not_start(app, state):
    await given_fans(app, 1)

    with pytest.raises(Conflict) as refusal:
        await started(app, offer_id=await an_offer(app, state=state))

    assert refusal.value.reason == "offer_not_open"


async def test_a_broadcast_with_an_open_offer_starts(app):
    await given_fans(app, 1)

    assert await started(app, offer_id=await an_offer(app))
