import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select

from siyu import broadcasts, fans
from siyu.broadcasts import Action, Button, Press, answers, buttons, ledger
from siyu.broadcasts.tasks import Noted
from siyu.kit.errors import Forbidden
from siyu.kit.wording import CHINESE, ENGLISH, words
from siyu.outcomes import Sent, Unknown
from siyu.tables import Outbox
from tests.broadcasting import MEI, composed, counted, given_fans, row_of, started


async def _delivered(app, number=1, *, outcome=None, **changes):
    """Fans and a broadcast that went out to all of them."""
    community = await given_fans(app, number)
    broadcast_id = await started(app, **changes)
    async with app.database.writing() as session:
        tasks = await ledger.claim(session, broadcast_id, "me", limit=number, now=app.clock())
        await answers.note(session, [Noted(task, outcome or Sent(5)) for task in tasks], "me", now=app.clock())
    return community, broadcast_id


async def _press(app, fan, data):
    async with app.database.writing() as session:
        fresh = await fans.get_fan(session, fan.telegram_id)
        return await broadcasts.press(session, fresh, data, now=app.clock())


async def test_the_first_press_is_the_click_and_later_ones_change_nothing(app, clock):
    (fan,), broadcast_id = await _delivered(app)
    first_at = app.clock()

    pressed = await _press(app, fan, f"b:{broadcast_id}:shop")
    clock.pass_(minutes=5)
    await _press(app, fan, f"b:{broadcast_id}:wallet")

    assert pressed == Press(broadcast_id, Action.SHOP)
    assert (await row_of(app, broadcast_id, fan)).clicked_at == first_at


async def test_opting_out_is_no_click(app):
    (fan,), broadcast_id = await _delivered(app)

    pressed = await _press(app, fan, f"b:{broadcast_id}:mute")

    assert pressed.action is Action.MUTE
    assert (await row_of(app, broadcast_id, fan)).clicked_at is None


@pytest.mark.parametrize(
    "data",
    ["b:404:shop", "b:0:shop", "b:-1:shop", "b::shop", "b:1", "b:1:erase", "b:1:shop:x", "B:1:shop", "",
     "b:99999999999999999999999:shop", "b:1:shop\n", "b:١:shop", "b: 1:shop"],
)  # fmt: skip
async def test_forged_data_is_refused_and_changes_nothing(app, data):
    (fan,), broadcast_id = await _delivered(app)

    with pytest.raises(Forbidden):
        await _press(app, fan, data)

    assert (await row_of(app, broadcast_id, fan)).clicked_at is None


async def test_a_button_that_was_never_sent_to_this_fan_is_refused(app):
    _, broadcast_id = await _delivered(app)
    (stranger,) = await given_fans(app, 1, segment="loyalty.loyal", first=9000)

    with pytest.raises(Forbidden):
        await _press(app, stranger, f"b:{broadcast_id}:claim")


async def test_somebody_the_broadcast_left_out_cannot_press_its_buttons(app):
    community = await given_fans(app, 2)
    async with app.database.writing() as session:
        await fans.mute(session, await fans.get_fan(session, community[0].telegram_id), now=app.clock())
    broadcast_id = await started(app)

    with pytest.raises(Forbidden):
        await _press(app, community[0], f"b:{broadcast_id}:claim")


async def test_a_press_settles_what_nobody_could_know(app):
    (fan, other), broadcast_id = await _delivered(app, 2, outcome=Unknown())

    await _press(app, fan, f"b:{broadcast_id}:shop")

    assert await counted(app, broadcast_id) == {"sent": 1, "unknown": 1}
    assert (await row_of(app, broadcast_id, other)).state == "unknown"


async def test_a_press_keeps_a_message_that_arrived_from_being_sent_again(app, clock):
    (fan,), broadcast_id = await _delivered(app, outcome=Unknown(), on_unknown="resend")

    await _press(app, fan, f"b:{broadcast_id}:mute")
    clock.pass_(minutes=1)

    async with app.database.writing() as session:
        assert await ledger.claim(session, broadcast_id, "me", limit=5, now=app.clock()) == []
    assert await counted(app, broadcast_id) == {"sent": 1}


async def test_the_buttons_of_a_test_work_for_anybody_and_change_nothing(app):
    (fan,), broadcast_id = await _delivered(app)

    pressed = await _press(app, fan, f"b:{broadcast_id}:claim:test")

    assert pressed == Press(broadcast_id, Action.CLAIM, test=True)
    assert (await row_of(app, broadcast_id, fan)).clicked_at is None


async def test_only_presses_on_what_was_sent_count_for_the_campaign(app):
    (fan,), broadcast_id = await _delivered(app)

    async with app.database.reading() as session:
        true = await broadcasts.were_sent(session, [(broadcast_id, fan.id), (broadcast_id, 404), (404, fan.id)])

    assert true == {(broadcast_id, fan.id)}


def test_a_press_claims_its_broadcast_and_a_test_claims_none():
    assert broadcasts.broadcast_of("b:7:shop") == 7
    assert broadcasts.broadcast_of("b:7:shop:test") is None
    assert broadcasts.broadcast_of("w:list") is None


heard = st.sampled_from([(action, None) for action in ("claim", "shop", "wallet", "mute")])
answered = st.sampled_from(["yes", "test", "soon", "下次再说吧", "👍", "x" * 30]).map(lambda word: ("answer", word))


@settings(deadline=None)
@given(st.integers(1, 10**18 - 1), heard | answered, st.booleans())
def test_every_button_we_make_fits_telegram_and_is_read_back(broadcast_id, asked, test):
    press = Press(broadcast_id, Action(asked[0]), test, asked[1])

    assert len(press.data.encode()) <= 64
    assert broadcasts.parse_press(press.data) == press


@settings(deadline=None)
@given(st.text(max_size=70))
def test_no_text_makes_the_reader_stumble(data):
    press = broadcasts.parse_press(data)

    assert press is None or press.data == data


def test_every_broadcast_carries_the_way_out_in_the_fans_language():
    rows = ((Button("Look", url="https://tea.example"),),)

    english = buttons.keyboard(7, rows, offer=False, words=words(ENGLISH))
    chinese = buttons.keyboard(7, rows, offer=False, words=words(CHINESE))

    assert english[-1] == [{"text": "🔕 No more of these", "callback_data": "b:7:mute"}]
    assert chinese[-1][0]["callback_data"] == "b:7:mute"
    assert english[0] == [{"text": "Look", "url": "https://tea.example"}]


def test_an_attached_offer_adds_a_claim_button_unless_there_is_one():
    own = ((Button("Mine!", action=Action.CLAIM),),)

    added = buttons.keyboard(7, (), offer=True, words=words(ENGLISH))
    kept = buttons.keyboard(7, own, offer=True, words=words(ENGLISH))

    assert [row[0]["callback_data"] for row in added] == ["b:7:claim", "b:7:mute"]
    assert [(row[0]["text"], row[0]["callback_data"]) for row in kept] == [
        ("Mine!", "b:7:claim"),
        ("🔕 No more of these", "b:7:mute"),
    ]


async def test_a_test_goes_to_the_operator_alone_marked_and_harmless(app):
    await given_fans(app, 2)
    broadcast = await composed(app, buttons=[[{"text": "Look", "action": "shop"}]])

    async with app.database.writing() as session:
        await broadcasts.test_to(session, MEI, broadcast, 4242, words=words(ENGLISH), now=app.clock())

    async with app.database.reading() as session:
        (errand,) = await session.all(select(Outbox))
    assert (errand.method, errand.payload["chat_id"], errand.person_id) == ("sendMessage", 4242, 4242)
    keys = [key for row in errand.payload["reply_markup"]["inline_keyboard"] for key in row]
    assert all(key["callback_data"].endswith(":test") for key in keys)
    assert keys[-1]["text"] == "🧪 A test: only you got this"
    assert await counted(app, broadcast.id or 0) == {}


async def test_the_offer_of_a_press_is_that_of_its_broadcast(app):
    broadcast = await composed(app)

    async with app.database.reading() as session:
        assert await broadcasts.offer_of(session, Press(broadcast.id or 0, Action.CLAIM)) is None
