"""Checking: what keeps a questionnaire from being published, each mistake at its place."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from siyu.attributes import read_value
from siyu.kit.errors import Invalid
from siyu.kit.lines import is_line
from siyu.surveys.content import CHOSEN, END, Content, Kind, Question, Texts
from siyu.tables import Attribute

LONGEST_TITLE = 80
LONGEST_QUESTION = 300
LONGEST_LABEL = 40
LONGEST_KEY = 40
LONGEST_THANKS = 300
MOST_QUESTIONS = 30
MOST_CHOICES = 30


@dataclass(frozen=True)
class Vocabulary:
    """What answers can be kept as: attributes with a definition, and names that are known without one."""

    defined: Mapping[str, Attribute]
    others: Mapping[str, Collection[str]] = field(default_factory=dict)  # with the words they know; none: any

    def knows(self, name: str) -> bool:
        return name in self.defined or name in self.others


def mistakes(content: Content, known: Vocabulary) -> list[Invalid]:
    """Everything that keeps it from being published; a question's mistakes stand at its key."""
    found = [*_of_whole(content)]
    for question in content.questions:
        found += of_question(content, question, known)
    return found or _circles(content)


def of_question(content: Content, question: Question, known: Vocabulary) -> list[Invalid]:
    """What is wrong with one question by itself."""
    return [
        *_of_texts(question.text, (question.key, "text"), LONGEST_QUESTION),
        *_of_choices(question),
        *_of_ways(content, question),
        *_of_attribute(question, known),
    ]


def _of_whole(content: Content) -> Iterable[Invalid]:
    yield from _of_texts(content.title, ("title",), LONGEST_TITLE)
    if any(len(text) > LONGEST_THANKS for text in content.thanks.values()):
        yield Invalid("takes at most %(most)s characters", where=("thanks",), most=LONGEST_THANKS)
    if not content.questions:
        yield Invalid("there is nothing to ask yet: add a question", where=("questions",), reason="empty")
    if len(content.questions) > MOST_QUESTIONS:
        yield Invalid("at most %(most)s questions: nobody answers more", where=("questions",), most=MOST_QUESTIONS)


def _of_texts(texts: Texts, where: tuple[str, ...], most: int) -> Iterable[Invalid]:
    if not any(text.strip() for text in texts.values()):
        yield Invalid("it needs words, in one language at least", where=where)
    if any(len(text) > most or "\0" in text for text in texts.values()):
        yield Invalid("takes at most %(most)s characters", where=where, most=most)


def _of_choices(question: Question) -> Iterable[Invalid]:
    if question.kind not in CHOSEN:
        return
    where = (question.key, "choices")
    if not 1 <= len(question.choices) <= MOST_CHOICES:
        yield Invalid("takes 1 to %(most)s choices", where=where, most=MOST_CHOICES)
    for choice in question.choices:
        if not is_line(choice.key, least=1, most=LONGEST_KEY) or "," in choice.key or ";" in choice.key:
            yield Invalid("a choice is kept as 1 to %(most)s characters without , and ;", where=where, most=LONGEST_KEY)
        if not all(is_line(label, least=0, most=LONGEST_LABEL) for label in choice.label.values()):
            yield Invalid("a choice takes at most %(most)s characters on its button", where=where, most=LONGEST_LABEL)
    for key, times in Counter(choice.key.casefold() for choice in question.choices).items():
        if times > 1:
            yield Invalid("“%(word)s” stands there twice", where=where, word=key)


def _of_ways(content: Content, question: Question) -> Iterable[Invalid]:
    where = (question.key, "to")
    for to in _named(question):
        if to != END and content.find(to) is None:
            yield Invalid("an answer leads to a question that is not there any more", where=where)
    for jump in question.jumps:
        if jump.low > jump.high or jump.low not in question.marks or jump.high not in question.marks:
            low, high = question.marks[0], question.marks[-1]
            yield Invalid("answers from %(low)s to %(high)s, the smaller first", where=where, low=low, high=high)


def _named(question: Question) -> list[str]:
    ways = [question.to, *(choice.to for choice in question.choices), *(jump.to for jump in question.jumps)]
    return [to for to in ways if to]


def _of_attribute(question: Question, known: Vocabulary) -> Iterable[Invalid]:
    name, where = question.attribute, (question.key, "attribute")
    if not name:
        return
    if not known.knows(name):
        yield Invalid("there is no attribute “%(name)s”", where=where, name=name, reason="unknown_attribute")
    elif name in known.defined:
        yield from _misfits(question, known.defined[name], where)
    elif words := known.others[name]:
        yield from _strangers(question, words, where)


def _misfits(question: Question, definition: Attribute, where: tuple[str, ...]) -> Iterable[Invalid]:
    """What would be kept must be something the attribute takes; what fans write is looked at when they do."""
    for value in _kept(question):
        try:
            read_value(definition, value)
        except Invalid as misfit:
            yield Invalid(misfit.sentence, where=where, reason="values_do_not_fit", **misfit.values)
            return


def _strangers(question: Question, words: Collection[str], where: tuple[str, ...]) -> Iterable[Invalid]:
    """A dimension that does not know an answer would call it unknown."""
    for value in _kept(question):
        if value not in words:
            told = {"value": value, "choices": ", ".join(words)}
            yield Invalid("“%(value)s” is none of %(choices)s", where=where, reason="values_do_not_fit", **told)
            return


def _kept(question: Question) -> list[str]:
    keys = [choice.key for choice in question.choices]
    if question.kind is Kind.MANY:
        return ["; ".join(keys)] if len(keys) > 1 else keys
    return keys or [str(mark) for mark in question.marks]


def _circles(content: Content) -> list[Invalid]:
    """A way back that never ends: whoever takes it would be asked for ever."""
    ways = {question.key: _ways_on(content, question) for question in content.questions}
    for key in ways:
        if key in _reached_from(key, ways):
            where = (key, "to")
            return [Invalid("from here an answer can lead back here, round and round", where=where, reason="circle")]
    return []


def _ways_on(content: Content, question: Question) -> list[str]:
    on = (content.after(question, to) for to in {"", *_named(question)})
    return [one.key for one in on if one is not None]


def _reached_from(key: str, ways: Mapping[str, list[str]]) -> set[str]:
    found, new = set[str](), {key}
    while new:
        new = {on for one in new for on in ways[one]} - found
        found |= new
    return found
