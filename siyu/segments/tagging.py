"""Tags by rule: hung by themselves while the rule holds, off again when it does not; those hung by hand stay."""

from datetime import datetime

from siyu import audit, tags
from siyu.audit import Actor
from siyu.kit.database import ReadSession, WriteSession
from siyu.kit.errors import Conflict
from siyu.segments import rules
from siyu.segments.classification import tag_key
from siyu.segments.saved import checked, where_used


async def hang_by_rule(session: WriteSession, actor: Actor, word: str, given: object | None, *, now: datetime) -> None:
    """From the next run on everybody has the tag whom the rule fits; without a rule, only who was given it.

    Raises NotFound for the tag, Invalid with the place for the rule.
    """
    tag = await tags.get_tag(session, word)
    rule = None if given is None else rules.to_json(await checked(session, given, within=tag_key(word)))
    if rule == tag.rule:
        return
    await audit.note(session, actor, "tag.rule", "tag", word, now=now, before=tag.rule, after=rule)
    tag.rule = rule
    session.add(tag)


async def must_not_be_needed(session: ReadSession, word: str) -> None:
    """Raises Conflict naming the rules that ask for the tag: they would mean something else without it."""
    users = await where_used(session, tag_key(word))
    if users:
        names = ", ".join(f"{kind} {name}" for kind, name in users)
        raise Conflict("this tag is needed by: %(users)s", reason="in_use", users=names)
