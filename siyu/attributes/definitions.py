"""Definitions: which attributes there are, of what type; never one that what fans have already does not fit."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, update
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from siyu import audit, fans
from siyu.attributes.values import read_value
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict, Invalid, NotFound
from siyu.kit.lines import is_line
from siyu.tables import Attribute, AttributeType, FanAttribute

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# What a file's own columns are called, and the word for all attributes in a program's call.
TAKEN = frozenset(
    "telegram_id name username language phone joined_at source_channel referred_by tags attributes".split()
)
LONGEST_LABEL = 60
LONGEST_CHOICE = 60
MOST_CHOICES = 100
FREQUENT = 3


@dataclass(frozen=True)
class Choice:
    """One of the answers: `value` is kept, `label` is shown."""

    value: str
    label: str = ""


@dataclass(frozen=True)
class NewAttribute:
    """What an admin fills in."""

    name: str
    type: str
    label: str = ""
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Known:
    """A name that is defined, or that fans have: how many have it, and the values most of them have."""

    name: str
    definition: Attribute | None
    fans: int
    frequent: Sequence[tuple[str, int]]


async def definitions(session: ReadSession) -> dict[str, Attribute]:
    """By name, those with a label by their label."""
    found = await session.all(select(Attribute).order_by(func.coalesce(Attribute.label, Attribute.name)))
    return {attribute.name: attribute for attribute in found}


async def binding(session: WriteSession) -> dict[str, Attribute]:
    """The definitions that bind whoever writes values now: none of them changes before this transaction ends."""
    found = await session.all(select(Attribute).order_by(col(Attribute.name)).with_for_update(read=True))
    return {attribute.name: attribute for attribute in found}


async def known_attributes(session: ReadSession) -> list[Known]:
    """The defined ones first, then those fans have without a definition."""
    defined = await definitions(session)
    counted = await session.rows(select(FanAttribute.name, func.count()).group_by(FanAttribute.name))
    numbers = {row[0]: row[1] for row in counted}
    frequent = await _frequent(session)
    names = [*defined, *sorted(name for name in numbers if name not in defined)]
    return [Known(name, defined.get(name), numbers.get(name, 0), frequent.get(name, [])) for name in names]


async def find_attribute(session: ReadSession, name: str) -> Attribute | None:
    return await session.get(Attribute, name)


async def get_attribute(session: ReadSession, name: str) -> Attribute:
    found = await find_attribute(session, name)
    if found is None:
        raise NotFound("there is no attribute “%(name)s”", name=name)
    return found


async def define_attribute(session: WriteSession, actor: Actor, draft: NewAttribute, *, now: datetime) -> Attribute:
    """From now on values of this name are checked. A name that fans have already may be any text, a new one a word."""
    name = await _free(session, draft.name.strip())
    attribute = _shaped(name, draft, actor, now)
    await _fit_all(session, attribute, now=now)
    session.add(attribute)
    await session.flush()
    await audit.note(session, actor, "attribute.defined", "attribute", name, now=now, **_told(attribute))
    return attribute


async def change_attribute(session: WriteSession, actor: Actor, draft: NewAttribute, *, now: datetime) -> Attribute:
    """Label, type and choices of `draft.name`. Refused with examples where fans have values that do not fit."""
    attribute = await session.first(select(Attribute).where(Attribute.name == draft.name).with_for_update())
    if attribute is None:
        raise NotFound("there is no attribute “%(name)s”", name=draft.name)
    wanted = _shaped(attribute.name, draft, actor, now)
    if (wanted.type, wanted.choices) != (attribute.type, attribute.choices):
        await _fit_all(session, wanted, now=now)
    attribute.label, attribute.type, attribute.choices = wanted.label, wanted.type, wanted.choices
    session.add(attribute)
    await session.flush()
    await audit.note(session, actor, "attribute.changed", "attribute", attribute.name, now=now, **_told(attribute))
    return attribute


async def undefine_attribute(session: WriteSession, actor: Actor, name: str, *, now: datetime) -> None:
    """What fans have stays as it is; new values may be any text again."""
    await session.delete(await get_attribute(session, name))
    await fans.look_again(session, _who_has(name), now=now)
    await audit.note(session, actor, "attribute.undefined", "attribute", name, now=now)


def _who_has(name: str) -> SelectOfScalar[int]:
    return select(FanAttribute.fan_id).where(col(FanAttribute.name) == name)


async def _frequent(session: ReadSession) -> dict[str, list[tuple[str, int]]]:
    """Of each name the values that most fans have."""
    most = col(FanAttribute.name), (func.count().desc(), col(FanAttribute.value))
    ranked = (
        select(
            FanAttribute.name,
            FanAttribute.value,
            func.count().label("fans"),
            func.row_number().over(partition_by=most[0], order_by=most[1]).label("place"),
        )
        .group_by(col(FanAttribute.name), col(FanAttribute.value))
        .subquery()
    )
    wanted = select(ranked.c.name, ranked.c.value, ranked.c.fans).where(ranked.c.place <= FREQUENT)
    found: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for name, value, number in await session.rows(wanted.order_by(ranked.c.name, ranked.c.place)):
        found[name].append((value, number))
    return found


async def _free(session: ReadSession, name: str) -> str:
    if name in TAKEN:
        raise Invalid("“%(name)s” is a column of its own", where=("name",), name=name)
    if await find_attribute(session, name):
        raise Conflict("“%(name)s” is defined already", reason="attribute_taken", name=name)
    in_use = await session.first(_who_has(name).limit(1)) is not None
    if not in_use and not NAME.fullmatch(name):
        raise Invalid("a name takes a letter and up to 39 of a-z 0-9 _", where=("name",))
    return name


def _shaped(name: str, draft: NewAttribute, actor: Actor, now: datetime) -> Attribute:
    """The definition a draft would be. Raises Invalid with its place."""
    label = draft.label.strip()
    if not is_line(label, least=0, most=LONGEST_LABEL):
        raise Invalid("takes %(least)s to %(most)s characters", where=("label",), least=0, most=LONGEST_LABEL)
    if draft.type not in set(AttributeType):
        raise Invalid("choose one of these", where=("type",))
    kind = AttributeType(draft.type)
    choices = _choices(draft.choices) if kind is AttributeType.CHOICE else []
    return Attribute(name=name, label=label or None, type=kind, choices=choices, created_at=now, created_by=actor.key)


def _choices(drafts: Sequence[Choice]) -> list[dict[str, str]]:
    """Each with a value and a label; no two that could be meant by one word."""
    if not 1 <= len(drafts) <= MOST_CHOICES:
        raise Invalid("takes 1 to %(most)s choices, one a line", where=("choices",), most=MOST_CHOICES)
    said = set[str]()
    for choice in drafts:
        words = {choice.value.strip(), choice.label.strip() or choice.value.strip()}
        if not all(is_line(word, least=1, most=LONGEST_CHOICE) for word in words):
            raise Invalid("a choice has 1 to %(most)s characters", where=("choices",), most=LONGEST_CHOICE)
        if twice := said & {word.casefold() for word in words}:
            raise Invalid("“%(word)s” stands there twice", where=("choices",), word=min(twice))
        said |= {word.casefold() for word in words}
    return [{"value": one.value.strip(), "label": one.label.strip() or one.value.strip()} for one in drafts]


async def _fit_all(session: WriteSession, wanted: Attribute, *, now: datetime) -> None:
    """Everything fans have under this name is kept as the definition says; or it is refused and nothing changed."""
    rewritten, misfits = list[dict[str, str]](), list[tuple[str, int]]()
    for value, number in await _counted(session, wanted):
        try:
            rewritten.append({"was": value, "is": read_value(wanted, value)})
        except Invalid:
            misfits.append((value, number))
    if misfits:
        raise _misfit(wanted, misfits)
    theirs = col(FanAttribute.name) == wanted.name, col(FanAttribute.value) == bindparam("was")
    statement = update(FanAttribute).where(*theirs).values(value=bindparam("is"))
    await session.run_many(statement, [pair for pair in rewritten if pair["was"] != pair["is"]])
    await fans.look_again(session, _who_has(wanted.name), now=now)


async def _counted(session: ReadSession, wanted: Attribute) -> Sequence[tuple[str, int]]:
    """What is there and how often, the most frequent first; of texts nothing needs to be looked at."""
    if wanted.type is AttributeType.TEXT:
        return []
    counted = select(FanAttribute.value, func.count()).where(col(FanAttribute.name) == wanted.name)
    ordered = counted.group_by(col(FanAttribute.value)).order_by(func.count().desc(), col(FanAttribute.value))
    return [(value, number) for value, number in await session.rows(ordered)]


def _misfit(wanted: Attribute, misfits: Sequence[tuple[str, int]]) -> Invalid:
    return Invalid(
        "fans whose value does not fit: %(number)s, such as %(examples)s",
        where=("choices" if wanted.type is AttributeType.CHOICE else "type",),
        reason="values_do_not_fit",
        number=sum(number for _, number in misfits),
        examples=", ".join(f"“{value[:40]}”" for value, _ in misfits[:3]),
    )


def _told(attribute: Attribute) -> dict[str, object]:
    choices = ", ".join(choice["value"] for choice in attribute.choices)
    return {"label": attribute.label, "type": attribute.type.value, "choices": choices}
