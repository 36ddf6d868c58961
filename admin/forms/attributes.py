"""The forms of attributes: a definition, and the values of one fan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from admin.forms import Errors, sentence
from siyu import attributes
from siyu.attributes import Choice, NewAttribute
from siyu.kit.errors import Invalid
from siyu.kit.wording import Words
from siyu.tables import Attribute, AttributeType

BESIDE = "|"  # parts a choice from what is shown for it


class AttributeForm(BaseModel):
    """The form as it came: all text; a choice a line."""

    name: str = ""
    label: str = ""
    type: str = AttributeType.TEXT.value
    choices: str = ""


@dataclass(frozen=True)
class Field:
    """One attribute of a fan as its form shows it; `was` is what it was when the form was drawn."""

    name: str
    definition: Attribute | None
    was: str
    value: str

    @property
    def label(self) -> str:
        return (self.definition.label if self.definition else None) or self.name


def read_attribute(form: AttributeForm) -> NewAttribute:
    choices = tuple(_choice(line) for line in form.choices.splitlines() if line.strip())
    return NewAttribute(name=form.name, label=form.label, type=form.type, choices=choices)


def filled_attribute(attribute: Attribute) -> AttributeForm:
    """A definition as its form shows it."""
    lines = [
        choice["value"] if choice["value"] == choice["label"] else f"{choice['value']} {BESIDE} {choice['label']}"
        for choice in attribute.choices
    ]
    return AttributeForm(
        name=attribute.name, label=attribute.label or "", type=attribute.type, choices="\n".join(lines)
    )


def fields_of(known: Mapping[str, Attribute], values: Mapping[str, str]) -> list[Field]:
    """Every defined attribute, and what else the fan has."""
    names = [*known, *(name for name in values if name not in known)]
    return [Field(name, known.get(name), values.get(name, ""), values.get(name, "")) for name in names]


def typed(fields: Sequence[Field], form: Mapping[str, str]) -> list[Field]:
    """The fields with what came back; fields that the form did not show stay as they are."""
    places = {form[key]: key.removeprefix("name-") for key in form if key.startswith("name-")}
    return [_typed(field, form, places.get(field.name)) for field in fields]


def changed(fields: Sequence[Field]) -> dict[str, str]:
    """What somebody wrote, and nothing that another one may have written meanwhile."""
    return {field.name: field.value for field in fields if field.value != field.was}


def mistakes_in(fields: Sequence[Field], known: Mapping[str, Attribute], words: Words) -> Errors:
    """What does not fit, at its field."""
    told: Errors = {}
    for place, field in enumerate(fields):
        try:
            attributes.fit(known, {field.name: field.value} if field.value != field.was else {})
        except Invalid as mistake:
            told[f"value-{place}"] = sentence(mistake, words)
    return told


def _typed(field: Field, form: Mapping[str, str], place: str | None) -> Field:
    if place is None:
        return field
    was, value = (form.get(f"{part}-{place}", "").replace("\r\n", "\n") for part in ("was", "value"))
    return Field(field.name, field.definition, was, value.strip())


def _choice(line: str) -> Choice:
    value, _, label = line.partition(BESIDE)
    return Choice(value.strip(), label.strip())
