"""Answers as people see them who label them, without the judge's verdict, and the labels they give."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lm_eval_so.core.asking.answer.json_answer import writable
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.spreadsheet import cell_text, is_same_text
from lm_eval_so.core.words import say
from lm_eval_so.evaluator.calibration.pairs import (
    TIE,
    compares,
    is_shown_first,
    label_of_choice,
    offered_labels,
    shown_answers,
)
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.panel import called_tools, numbered, shown_beside
from lm_eval_so.evaluator.sample_text import Turn, shown_instructions, shown_turns

SECOND: Final = "answer_b"
CONTEXT: Final = "context"
COLUMNS: Final = (
    "id",
    "repeat",
    "metric",
    "input",
    "answer",
    SECOND,
    "calls",
    CONTEXT,
    "expected",
    "rubric",
    "labels",
    "label",
    "annotator",
    "note",
)
"""All columns; those of a second answer and of the context stand only in a file that has some."""
_INDENT = "    "
_TURN = re.compile(r"(user|assistant|tool|goal): ")


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanLabel:
    """Label that one person gave to one answer."""

    metric: str
    sample_id: str
    repeat: int
    label: str
    annotator: str
    note: str
    answer: str | None
    """The answer in the file, of a pair the one shown first; None if the file has none."""
    answer_b: str | None = None
    """The answer shown second; None unless a pair was labelled."""
    choice: str = ""
    """The choice between two answers as they were shown; "" unless a pair was labelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFile:
    """A file of labels, read."""

    name: str
    labels: tuple[HumanLabel, ...]
    empty: Mapping[str, int]
    """Lines without a label, by metric id."""
    digest: str
    is_lossy: bool = False
    """Whether the encoding lacks characters, which then stand as question marks."""


def answer_cell(text: str) -> str:
    """Return a text as a cell holds it."""
    return cell_text(writable(text))


def turns_of_cell(cell: str) -> list[Turn]:
    """Return the turns of a question from its cell; one of the user if it is no conversation."""
    turns: list[tuple[str, list[str]]] = []
    for line in cell.split("\n"):
        if (begins := _TURN.match(line)) is not None:
            turns.append((begins[1], [line[begins.end() :]]))
        elif turns and (not line or line.startswith(_INDENT)):
            turns[-1][1].append(line.removeprefix(_INDENT))
        else:
            return [Turn("user", cell)]
    if len(turns) == 1:
        return [Turn("user", cell)]
    return [Turn(role, "\n".join(lines).strip("\n")) for role, lines in turns]


def cells_of(metric: Metric, sample: TestSample, run: RunResult) -> Mapping[str, str]:
    """Return the cells of an answer by column, without those that people fill in."""
    answer, second = shown_answers(metric, sample, run)
    # what only one answer has would tell which it is
    alone = None if compares(metric) else run
    calls = called_tools(sample, run) if alone else {}
    rubric = metric.guide(sample)
    if compares(metric):
        rubric = f"{say('labels.pairwise_guide', metric.env.language)}\n\n{rubric}"
    cells = {
        "id": sample.id,
        "repeat": str(run.repeat),
        "metric": metric.id,
        "input": answer_cell(_told(shown_turns(sample, run))),
        "answer": answer_cell(answer),
        "calls": answer_cell(_by_word(calls)),
        "expected": answer_cell(_expected(sample, metric.env.language)),
        "rubric": answer_cell(rubric),
        "labels": answer_cell(", ".join(offered_labels(metric))),
    }
    if context := _context(metric, sample, alone):
        cells[CONTEXT] = answer_cell(_by_word(context))
    return cells if second is None else {**cells, SECOND: answer_cell(second)}


def _context(metric: Metric, sample: TestSample, run: RunResult | None) -> Mapping[str, str]:
    """Return what a judge is shown besides, by its word: the system prompt, and passages if it is told to."""
    if "show" not in type(metric.params).model_fields:
        return {}
    instructions = shown_instructions(sample)
    passages = shown_beside(sample, {*metric.params_for(sample).show} & {CONTEXT}, run)
    return {**({"INSTRUCTIONS": instructions} if instructions else {}), **passages}


def _expected(sample: TestSample, language: Language) -> str:
    """Return the reference; several so that none of them seems to be a part of one answer."""
    if len(sample.answers) < 2:
        return "\n".join(sample.answers)
    return f"{say('labels.any_of', language)}\n{numbered(sample.answers)}"


def _by_word(texts: Mapping[str, str]) -> str:
    return "\n\n".join(f"{word}\n{text}" for word, text in texts.items())


def labels_about(
    labels: Sequence[HumanLabel],
    metric: Metric,
    sample: TestSample,
    run: RunResult,
    file: LabelFile,
) -> tuple[list[HumanLabel], str]:
    """Return the labels that are about an answer as it is now, and why the others are not.

    The choice between two answers becomes the label of the chatbot's.
    """
    shown = dict(zip(("answer", "answer_b"), shown_answers(metric, sample, run), strict=True))
    found: list[HumanLabel] = []
    why = "changed"
    for said in labels:
        cells = {"answer": said.answer, "answer_b": said.answer_b}
        kept = {name: cell for name, cell in cells.items() if cell is not None}
        if not all(
            is_same_answer(cell, shown[name] or "", is_lossy=file.is_lossy)
            for name, cell in kept.items()
        ):
            continue
        if not compares(metric) or said.label in metric.labels:
            found.append(said)
        elif len(kept) == len(cells) or said.label == TIE:
            is_first = is_shown_first(metric, sample, run.repeat)
            label = label_of_choice(said.label, is_first=is_first)
            found.append(replace(said, label=label, choice=said.label))
        else:  # without both answers nobody knows which was shown first
            why = "order"
    return found, why


def is_same_answer(cell: str, answer: str, *, is_lossy: bool = False) -> bool:
    """Return whether a cell holds an answer; see `is_same_text`."""
    return is_same_text(cell, writable(answer), is_lossy=is_lossy)


def _told(turns: Sequence[Turn]) -> str:
    """Return a question as text; in a conversation no text of a turn can pose as another turn."""
    if len(turns) == 1:
        return turns[0].text
    return "\n\n".join(f"{turn.role}: " + turn.text.replace("\n", f"\n{_INDENT}") for turn in turns)
