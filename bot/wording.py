"""What the bot says: message templates and formats in the fan's language and the community's time zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import assert_never
from zoneinfo import ZoneInfo

from aiogram.methods import DeleteMyCommands, SetMyCommands
from aiogram.types import BotCommand, BotCommandScopeAllPrivateChats, BotCommandScopeChat
from babel import dates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from siyu import catalogue
from siyu.kit import figures
from siyu.kit.errors import SiyuError
from siyu.kit.money import Money
from siyu.kit.wording import CHINESE, ENGLISH, Words, phrase, shipped, translations, words
from siyu.points import MOVEMENTS
from siyu.tables import Offer, OfferKind, PointsKind, Product

# Telegram's name of each language we speak; the empty one is for everybody else.
LANGUAGE_CODES = {ENGLISH: "", CHINESE: "zh"}

COMMANDS = (
    ("shop", phrase("Look around and buy")),
    ("wallet", phrase("My coupons")),
    ("points", phrase("My points and what they give")),
    ("checkin", phrase("Say hello: points every day")),
    ("invite", phrase("Invite a friend")),
    ("feedback", phrase("Tell us how you like it")),
    ("settings", phrase("Messages and language")),
    ("paysupport", phrase("Help with a payment")),
    ("mydata", phrase("See what we keep about me")),
    ("forgetme", phrase("Have it forgotten")),
    ("privacy", phrase("What we know about you")),
    ("help", phrase("What I can do")),
)
STAFF_COMMANDS = (
    ("admin", phrase("Sign in to the admin")),
    ("redeem", phrase("Redeem a coupon: /redeem CODE")),
    ("sell", phrase("Enter a sale: /sell NAME")),
)


@dataclass(frozen=True)
class Voice:
    """One language and one time zone to speak in."""

    words: Words
    zone: ZoneInfo
    now: datetime

    def tell(self, template: str, **context: object) -> str:
        """The message `templates/bot/<template>.html`, ready for Telegram's HTML mode."""
        page = _environment(self.words.locale).get_template(f"{template}.html")
        return page.render(voice=self, **context).strip()

    def money(self, amount: Money) -> str:
        """80 ⭐ or ¥19.90."""
        return figures.money(amount, self.words.locale)

    def stars(self, number: int) -> str:
        return figures.stars(number, self.words.locale)

    def price(self, product: Product) -> Money | None:
        """What it costs here in chat, if it has a price."""
        return catalogue.price_in_chat(product)

    def moment(self, moment: datetime) -> str:
        """Fri, Mar 6, 23:59: the year only when it is another one."""
        local = moment.astimezone(self.zone)
        skeleton = "MMMEd" if local.year == self.now.astimezone(self.zone).year else "yMMMEd"
        day = dates.format_skeleton(skeleton, local, locale=self.words.locale)
        return f"{day} {local:%H:%M}"

    def day(self, moment: datetime) -> str:
        """Mar 6."""
        return dates.format_skeleton("MMMd", moment.astimezone(self.zone), locale=self.words.locale)

    def local(self, texts: Mapping[str, str]) -> str:
        """What an operator wrote in several languages, in this one; or in the first there is."""
        return texts.get(self.words.locale) or next((text for text in texts.values() if text), "")

    def movement(self, kind: PointsKind) -> str:
        """What moved points, in a word or two."""
        return self.words.gettext(MOVEMENTS[kind])

    def worth(self, offer: Offer) -> str:
        """What a coupon gives, in a few words."""
        _ = self.words.gettext
        match offer.kind:
            case OfferKind.AMOUNT:
                return _("%(amount)s off") % {"amount": self.money(Money(offer.value, offer.currency))}
            case OfferKind.PERCENT:
                return _("%(percent)s%% off") % {"percent": figures.basis_points(offer.basis_points)}
            case OfferKind.GIFT:
                return _("a gift")
            case OfferKind.EXCHANGE:
                return _("a free one")
            case _ as never:
                assert_never(never)

    def refusal(self, no: SiyuError) -> str:
        """The house's no as a sentence."""
        values = {name: self._say(value) for name, value in no.values.items()}
        said = self.words.gettext(no.sentence) % values if values else self.words.gettext(no.sentence)
        stop = "。" if self.words.locale == CHINESE else "."
        return said[:1].upper() + said[1:] + ("" if said.endswith((".", "!", "?", "。", "！", "？")) else stop)

    def _say(self, value: object) -> object:
        return self.money(value) if isinstance(value, Money) else value


def command_lists() -> list[SetMyCommands]:
    """What the menu of every private chat lists, in each language; made once at the start."""
    everybody = BotCommandScopeAllPrivateChats()
    return [
        SetMyCommands(commands=_commands(locale, COMMANDS), scope=everybody, language_code=code)
        for locale, code in LANGUAGE_CODES.items()
    ]


def own_commands(chat_id: int, *, staff: bool, chosen: str | None) -> list[SetMyCommands | DeleteMyCommands]:
    """The list of one chat: longer for who works here, in the language they chose; nobody else has one of their own.

    Telegram prefers a chat's list in the reader's own language to the one without: a choice takes that one away.
    """
    own, listed = BotCommandScopeChat(chat_id=chat_id), (STAFF_COMMANDS if staff else ()) + COMMANDS
    if chosen:
        spoken = SetMyCommands(commands=_commands(chosen, listed), scope=own)
        return [spoken, *(DeleteMyCommands(scope=own, language_code=code) for code in LANGUAGE_CODES.values() if code)]
    if not staff:
        return [DeleteMyCommands(scope=own, language_code=code) for code in LANGUAGE_CODES.values()]
    return [
        SetMyCommands(commands=_commands(locale, listed), scope=own, language_code=code)
        for locale, code in LANGUAGE_CODES.items()
    ]


def _commands(locale: str, listed: tuple[tuple[str, str], ...]) -> list[BotCommand]:
    told = words(locale)
    return [BotCommand(command=name, description=told.gettext(text)) for name, text in listed]


@lru_cache
def _environment(locale: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(shipped("templates") / "bot"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(translations(locale), newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    return environment
