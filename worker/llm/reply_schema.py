"""The JSON schema of the reply that a model is asked for, and the reading of what came back: one pydantic model.

The schema asks for everything. The reading bears with servers that do not keep to it: what is missing or of another
kind is None, and the rule in `validate` that needs it refuses the result, with a reason of its own. What no schema can
say (the letters of this very question, quotes, substance) is a rule there as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, GetCoreSchemaHandler, InstanceOf, Strict, create_model
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from worker.questions.answers import Verdict
from worker.questions.question import LETTERS

_SHARE = re.compile(r"(?:0|1|0?[.,][0-9]{1,12}|0[.,]|1[.,]0{0,12})")
_PERCENT = re.compile(r"(100|[0-9]{1,2}(?:[.,][0-9]{1,6})?)\s?%")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Otherwise:
    """What a value that is missing, or of another kind than the schema says, is read as."""

    kind: Literal["none", "left out"]
    offers_null: bool = False  # whether the schema lets the model write null

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        if self.kind == "left out":
            return core_schema.with_default_schema(schema, on_error="omit")
        if schema["type"] == "nullable" and not self.offers_null:
            schema = schema["schema"]
        return core_schema.with_default_schema(schema, default=None, on_error="default")


Text = InstanceOf[str]  # also with half a character in it, which pydantic's own string refuses: `clean_text` removes it
Wanted = Annotated[T | None, _Otherwise("none")]
Offered = Annotated[T | None, _Otherwise("none", offers_null=True)]
Listed = Annotated[T, _Otherwise("left out")]


def _read_number(value: object) -> object:
    """A share in words: "0.9", "0,9", "90 %"."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _SHARE.fullmatch(text):
        return float(text.replace(",", "."))
    percent = _PERCENT.fullmatch(text)
    return None if percent is None else float(percent[1].replace(",", ".")) / 100


def _one_of(*values: str | float) -> Any:
    """What the schema offers. Whether it was kept to is a rule's to say."""
    return Field(json_schema_extra={"enum": list(values)})


class Quote(BaseModel):
    """A quote of an excerpt that was shown."""

    excerpt: Text
    quote: Text


class OptionExplanations(BaseModel):
    """By the letters that the options have on the wire."""

    A: Offered[Text]
    B: Offered[Text]
    C: Offered[Text]
    D: Offered[Text]
    E: Offered[Text]


class Result(BaseModel, alias_generator=to_camel):
    """One question answered.

    Models write properties in this order, so the explanations come first: the letters follow from the reasoning instead
    of being defended by it.
    """

    id: Text
    option_explanations: Wanted[OptionExplanations]
    explanation: Wanted[Text]
    correct_answers: Wanted[list[Annotated[Text, _one_of(*LETTERS)]]]
    answer: Offered[Text]
    verdict: Offered[Verdict]
    confidence: Wanted[Annotated[float, Strict(), BeforeValidator(_read_number)]]
    citations: Wanted[list[Listed[Quote]]]


class Analyses(BaseModel):
    """The whole document. Results are read one by one, so that none harms its neighbours."""

    results: list[Result]


class StrictSchema(GenerateJsonSchema):
    """A schema as strict modes of providers want it: every property required and no other; no reference, no title.

    The keys stay in the order in which they are made: a schema is part of the prefix that providers cache.
    """

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        """The schema, with the models in it written out."""
        document = super().generate(schema, mode)
        written: JsonSchemaValue = _write_out(document, document.pop("$defs", {}))
        return written

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A closed object."""
        properties = self.generate_inner(schema["schema"])["properties"]
        return {
            "type": "object",
            "additionalProperties": False,
            "required": list(properties),
            "properties": properties,
        }

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """One of these texts, also where there is only one: not every provider knows `const`."""
        return {"type": "string", "enum": list(schema["expected"])}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """How something missing is read is nothing to tell a model."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """No: the name says it."""
        return False

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:  # noqa: ARG002
        """In the order of the models."""
        return value


def _write_out(part: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_write_out(element, definitions) for element in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _write_out(definitions[part["$ref"].rpartition("/")[2]], definitions)
    return {name: _write_out(value, definitions) for name, value in part.items()}


# One schema for every batch size: it is part of the prefix that providers cache.
HOSTED_SCHEMA: Mapping[str, Any] = Analyses.model_json_schema(schema_generator=StrictSchema)

EmbeddedText = Annotated[str, Field(pattern="^[A-ZÉÀ][A-Za-zÀ-ÖØ-öø-ÿ ,'-]{24,44}[.]$")]
EmbeddedAnswer = Annotated[str, Field(pattern="^[A-ZÉÀ][A-Za-zÀ-ÖØ-öø-ÿ0-9 ,'-]{2,49}$")]


@lru_cache(maxsize=64)
def embedded_schema(letters: tuple[str, ...], *, judges: bool) -> Mapping[str, Any]:
    """The same document about one question, fenced in for a model that would otherwise write on without end.

    `letters`: of its options, none for a short answer; `judges`: whether there is an official answer to judge.
    """
    few = Field(min_length=1, max_length=len(letters)) if letters else Field(max_length=0)
    fields: dict[str, Any] = {
        "id": Annotated[str, _one_of("q1")],
        "option_explanations": _model("OptionExplanations", dict.fromkeys(letters, EmbeddedText)),
        "explanation": EmbeddedText,
        "correct_answers": Annotated[list[Annotated[str, _one_of(*(letters or LETTERS))]], few],
        "answer": None if letters else EmbeddedAnswer,
        "verdict": Verdict if judges else None,
        "confidence": Annotated[float, _one_of(0.2, 0.4, 0.6, 0.8)],
        "citations": _several(_model("Quote", {"quote": EmbeddedText}, Quote), Field(max_length=0)),
    }
    one_result = _several(_model("Result", fields, Result), Field(min_length=1, max_length=1))
    return _model("Analyses", {"results": one_result}, Analyses).model_json_schema(schema_generator=StrictSchema)


def _model(name: str, fields: Mapping[str, Any], base: type[BaseModel] = BaseModel) -> type[BaseModel]:
    given: Any = {field: (kind, ...) for field, kind in fields.items()}
    model: type[BaseModel] = create_model(name, __base__=base, **given)
    return model


def _several(kind: Any, bounds: Any) -> Any:
    return Annotated[list[kind], bounds]
