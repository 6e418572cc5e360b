"""The shapes of other tools' records: columns that tell the tool, and what they are in a sample.

A tool more is a row more. Answers of a system under test (`actual_output`, `response`, outputs of runs) stand in no
map: they are what a test is asked for, not what it expects.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of records; names of columns and fields have spaces between them."""

    name: str
    """Tool, for people."""
    needs: str
    """Columns that it has, all of them; `a|b` is one of the two."""
    fields: str
    """`FIELD=COLUMN`, or `FIELD=COLUMN+COLUMN`; columns that a file lacks are left out."""
    json: str = ""
    """Columns whose cells hold JSON in a table."""
    skip: tuple[str, str] | None = None
    """Column and value of records that are put away there."""

    def fits(self, columns: Collection[str]) -> bool:
        """Return whether a file with these columns has this shape."""
        return all(any(one in columns for one in need.split("|")) for need in self.needs.split())

    @property
    def map(self) -> dict[str, tuple[str, ...]]:
        """Fields to columns."""
        pairs = (pair.split("=") for pair in self.fields.split())
        return {field: tuple(columns.split("+")) for field, columns in pairs}


_LANGSMITH: Final = "inputs outputs reference_outputs metadata"
_LANGFUSE: Final = "input=input expected=expectedOutput+expected_output metadata.*=metadata ref=id"
_JSON: Final = "input expectedOutput expected_output metadata"
_AWAY: Final = ("status", "ARCHIVED")

SHAPES: Final = (
    Shape(
        "LangSmith runs", "inputs outputs run_type|trace_id|run_id", "input=inputs", json=_LANGSMITH
    ),
    Shape(
        "a LangSmith experiment",
        "inputs reference_outputs",
        "input=inputs expected=reference_outputs metadata.*=metadata",
        json=_LANGSMITH,
    ),
    Shape(
        "LangSmith examples",
        "inputs outputs",
        "input=inputs expected=outputs metadata.*=metadata ref=id",
        json=_LANGSMITH,
    ),
    Shape("Langfuse items", "input expectedOutput", _LANGFUSE, json=_JSON, skip=_AWAY),
    Shape(
        "Langfuse items",
        "input expected_output dataset_id|dataset_name|source_trace_id",
        _LANGFUSE,
        json=_JSON,
        skip=_AWAY,
    ),
    Shape(
        "DeepEval conversational goldens",
        "scenario expected_outcome",
        "goal=scenario success=expected_outcome persona=user_description context=context "
        "metadata.*=additional_metadata ref=name",
        json="context additional_metadata",
    ),
    Shape(
        "DeepEval goldens",
        "input expected_output",
        "input=input expected=expected_output context=context metadata.*=additional_metadata ref=name",
        json="context additional_metadata",
    ),
    Shape(
        "Ragas",
        "user_input reference|ground_truth",
        "input=user_input expected=reference+ground_truth context=reference_contexts "
        "metadata.synthesizer=synthesizer_name",
        json="user_input reference_contexts",
    ),
    Shape(
        "Ragas",
        "question ground_truth|ground_truths",
        "input=question expected=ground_truth+ground_truths context=reference_contexts",
        json="ground_truths reference_contexts",
    ),
    Shape(
        "inspect samples",
        "input target",
        "input=input expected=target metrics.choice.options=choices metadata.*=metadata ref=id",
        json="input target choices metadata",
    ),
    Shape("OpenAI evals", "input ideal", "input=input expected=ideal", json="input ideal"),
    Shape("Alpaca", "instruction output", "input=instruction+input expected=output"),
)
"""All shapes; the first that fits is taken."""


def shape_of(columns: Collection[str]) -> Shape | None:
    """Return the shape of a file with these columns; None if it is of no known tool."""
    return next((shape for shape in SHAPES if shape.fits(columns)), None)
