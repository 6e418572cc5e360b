"""The shapes of other tools' records: columns that tell the tool, and what they are in a sample.

A tool more is a row more. Answers of a system under test (`actual_output`, `response`, outputs of runs) stand in no
map: they are what a test is asked for, not what it expects.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One kind of records."""

    name: str
    """Tool, for people."""
    needs: tuple[str, ...]
    """Columns that it has, all of them; `a|b` is one of the two."""
    map: Mapping[str, tuple[str, ...]]
    """Fields to columns; columns that a file lacks are left out."""
    json: tuple[str, ...] = ()
    """Columns whose cells hold JSON in a table."""
    skip: tuple[str, str] | None = None
    """Column and value of records that are put away there."""

    def fits(self, columns: Collection[str]) -> bool:
        """Return whether a file with these columns has this shape."""
        return all(any(one in columns for one in need.split("|")) for need in self.needs)


_LANGSMITH: Final = ("inputs", "outputs", "reference_outputs", "metadata")
_LANGFUSE: Final = Shape(
    name="Langfuse items",
    needs=("input", "expectedOutput"),
    map={
        "input": ("input",),
        "expected": ("expectedOutput", "expected_output"),
        "metadata.*": ("metadata",),
        "ref": ("id",),
    },
    json=("input", "expectedOutput", "expected_output", "metadata"),
    skip=("status", "ARCHIVED"),
)

SHAPES: Final = (
    Shape(
        name="LangSmith runs",
        needs=("inputs", "outputs", "run_type|trace_id|run_id"),
        map={"input": ("inputs",)},
        json=_LANGSMITH,
    ),
    Shape(
        name="a LangSmith experiment",
        needs=("inputs", "reference_outputs"),
        map={
            "input": ("inputs",),
            "expected": ("reference_outputs",),
            "metadata.*": ("metadata",),
        },
        json=_LANGSMITH,
    ),
    Shape(
        name="LangSmith examples",
        needs=("inputs", "outputs"),
        map={
            "input": ("inputs",),
            "expected": ("outputs",),
            "metadata.*": ("metadata",),
            "ref": ("id",),
        },
        json=_LANGSMITH,
    ),
    _LANGFUSE,
    Shape(
        name=_LANGFUSE.name,
        needs=("input", "expected_output", "dataset_id|dataset_name|source_trace_id"),
        map=_LANGFUSE.map,
        json=_LANGFUSE.json,
        skip=_LANGFUSE.skip,
    ),
    Shape(
        name="DeepEval conversational goldens",
        needs=("scenario", "expected_outcome"),
        map={
            "goal": ("scenario",),
            "success": ("expected_outcome",),
            "persona": ("user_description",),
            "context": ("context",),
            "metadata.*": ("additional_metadata",),
            "ref": ("name",),
        },
        json=("context", "additional_metadata"),
    ),
    Shape(
        name="DeepEval goldens",
        needs=("input", "expected_output"),
        map={
            "input": ("input",),
            "expected": ("expected_output",),
            "context": ("context",),
            "metadata.*": ("additional_metadata",),
            "ref": ("name",),
        },
        json=("context", "additional_metadata"),
    ),
    Shape(
        name="Ragas",
        needs=("user_input", "reference|ground_truth"),
        map={
            "input": ("user_input",),
            "expected": ("reference", "ground_truth"),
            "context": ("reference_contexts",),
            "metadata.synthesizer": ("synthesizer_name",),
        },
        json=("user_input", "reference_contexts"),
    ),
    Shape(
        name="Ragas",
        needs=("question", "ground_truth|ground_truths"),
        map={
            "input": ("question",),
            "expected": ("ground_truth", "ground_truths"),
            "context": ("reference_contexts",),
        },
        json=("ground_truths", "reference_contexts"),
    ),
    Shape(
        name="inspect samples",
        needs=("input", "target"),
        map={
            "input": ("input",),
            "expected": ("target",),
            "metrics.choice.options": ("choices",),
            "metadata.*": ("metadata",),
            "ref": ("id",),
        },
        json=("input", "target", "choices", "metadata"),
    ),
    Shape(
        name="OpenAI evals",
        needs=("input", "ideal"),
        map={"input": ("input",), "expected": ("ideal",)},
        json=("input", "ideal"),
    ),
    Shape(
        name="Alpaca",
        needs=("instruction", "output"),
        map={"input": ("instruction", "input"), "expected": ("output",)},
    ),
)
"""All shapes; the first that fits is taken."""


def shape_of(columns: Collection[str]) -> Shape | None:
    """Return the shape of a file with these columns; None if it is of no known tool."""
    return next((shape for shape in SHAPES if shape.fits(columns)), None)
