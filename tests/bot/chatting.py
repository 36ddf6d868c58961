"""A fan at the phone: what they send goes through the inbox, what they read comes out of the outbox."""

from itertools import count
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from bot import routers
from bot.dispatcher import Desk
from bot.drain import Drain
from bot.messenger import Me
from siyu import fans, mailroom
from siyu.app import App
from siyu.tables import Fan, Inbox, InboxState, Interaction, Outbox

Json = dict[str, Any]  # Any: as Telegram spells it

_numbers = count(1)
ME = Me(42, "siyu_bot", "Siyu")


class Phone:
    """One person's chat with the bot."""

    def __init__(self, app: App, telegram_id: int = 501, *, name: str = "Mei", language: str | None = "en") -> None:
        self.app = app
        self.person: Json = {"id": telegram_id, "is_bot": False, "first_name": name}
        if language:
            self.person["language_code"] = language
        self._chat = {"id": telegram_id, "type": "private", "first_name": name}

    async def write(self, text: str) -> list[Json]:
        word = text.split(" ")[0]
        command = [{"type": "bot_command", "offset": 0, "length": len(word)}] if len(word) > 1 else []
        entities = {"entities": command} if text.startswith("/") else {}
        return await self._send({"message": self._message(text=text, **entities)})

    async def send(self, *, replying_to: int | None = None, **content: object) -> list[Json]:
        """Anything but plain words; or words in reply to a message of the bot."""
        replied = {"reply_to_message": {**self._message(text="…"), "message_id": replying_to}} if replying_to else {}
        return await self._send({"message": self._message(**content, **replied)})

    async def edit(self, message_id: int, text: str) -> list[Json]:
        """Change the words of a message that was sent."""
        return await self._send({"edited_message": {**self._message(text=text), "message_id": message_id}})

    async def press(self, data: str, *, under: str | None = "the living message") -> list[Json]:
        """Press a button under a text; `None`: under a message that Telegram does not show any more."""
        message = self._message(text=under) if under else {**self._message(), "date": 0}
        query = {"id": str(next(_numbers)), "from": self.person, "chat_instance": "1", "data": data}
        return await self._send({"callback_query": {**query, "message": {**message, "from": _ITSELF}}})

    async def answer(self, question: str, text: str) -> list[Json]:
        """Words below a message of the bot's that asked for them."""
        asked = {**self._message(text=question), "from": _ITSELF}
        return await self._send({"message": self._message(text=text, reply_to_message=asked)})

    async def is_asked_to_pay(self, payload: str, stars: int, *, currency: str = "XTR") -> Json:
        terms = {"currency": currency, "total_amount": stars, "invoice_payload": payload}
        (answer,) = await self._send({"pre_checkout_query": {"id": str(next(_numbers)), "from": self.person, **terms}})
        return answer

    async def pay(self, payload: str, stars: int, *, charge: str = "c1", currency: str = "XTR") -> list[Json]:
        paid = {
            "currency": currency, "total_amount": stars, "invoice_payload": payload,
            "telegram_payment_charge_id": charge, "provider_payment_charge_id": "p",
        }  # fmt: skip
        return await self._send({"message": self._message(successful_payment=paid)})

    async def get_back(self, stars: int, *, charge: str = "c1") -> list[Json]:
        back = {
            "currency": "XTR", "total_amount": stars, "invoice_payload": "x",
            "telegram_payment_charge_id": charge,
        }  # fmt: skip
        return await self._send({"message": self._message(refunded_payment=back)})

    async def fan(self) -> Fan:
        async with self.app.database.reading() as session:
            return await fans.get_fan(session, self.person["id"])

    async def deeds(self) -> list[tuple[str, str | None]]:
        """What was written down of this fan, in order."""
        fan = await self.fan()
        async with self.app.database.reading() as session:
            found = await session.all(
                select(Interaction).where(col(Interaction.fan_id) == fan.id).order_by(col(Interaction.id))
            )
        return [(one.kind, one.detail) for one in found]

    async def _send(self, update: Json) -> list[Json]:
        """The calls that this update made the bot decide on, each with its method."""
        before = await self._outbox()
        desk = Desk(self.app, ME, routers.root(), routers.kind_of)
        async with self.app.database.writing() as session:
            update_id = next(_numbers)
            await mailroom.put_in_inbox(session, 42, [{"update_id": update_id, **update}], now=self.app.clock())
        await Drain(self.app, desk).handle_batch()
        async with self.app.database.reading() as session:
            letter = await session.one(select(Inbox).where(col(Inbox.update_id) == update_id))
        assert letter.state is InboxState.DONE, letter.error
        # SQLite gives a number again whose row was deleted.
        return [call for number, call in (await self._outbox()).items() if call != before.get(number)]

    async def _outbox(self) -> dict[int, Json]:
        async with self.app.database.reading() as session:
            rows = await session.all(select(Outbox).order_by(col(Outbox.id)))
        return {row.id or 0: {"method": row.method, **row.payload} for row in rows}

    def _message(self, **content: object) -> Json:
        date = int(self.app.clock().timestamp())
        return {"message_id": next(_numbers), "date": date, "chat": self._chat, "from": self.person, **content}


_ITSELF = {"id": 42, "is_bot": True, "first_name": "Siyu"}


def buttons(call: Json) -> list[Json]:
    """Every button under a message."""
    return [button for row in call.get("reply_markup", {}).get("inline_keyboard", []) for button in row]


def presses(call: Json) -> list[str]:
    """What the buttons under a message tell us."""
    return [button["callback_data"] for button in buttons(call) if "callback_data" in button]


def of(calls: list[Json], method: str) -> Json:
    """The one call of that method."""
    (call,) = [call for call in calls if call["method"] == method]
    return call
