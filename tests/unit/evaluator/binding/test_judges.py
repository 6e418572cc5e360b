"""Judges of a panel whose endpoints go away."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_run, an_answer, report_of, write_dataset, write_run

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.events import Event, Warned
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.errors import BackendError, ErrorKind

GOOD = an_answer(json.dumps({"reason": "r", "evidence": [], "label": "good"}))
ROWS = 4


class Going:
    """Answers so many times, and is gone from then on."""

    def __init__(self, answers: int, kind: ErrorKind = ErrorKind.SERVER) -> None:
        self.left = answers
        self.kind = kind

    async def ask(self, _: ChatRequest) -> Answer:
        self.left -= 1
        if self.left < 0:
            raise BackendError(self.kind, "has not answered for 105 s", retryable=False)
        return GOOD


def evaluated(
    folder: Path, *judges: Going, listener: Callable[[Event], None] | None = None
) -> EvaluationReport:
    rows = [{"id": f"q{i}", "input": f"질문 {i}"} for i in range(ROWS)]
    run = write_run(folder, write_dataset(folder, rows), lambda *_: a_run("3일"))
    panel = [{"name": "scripted", "params": {"model": f"j{at}"}} for at in range(len(judges))]
    metric = {"id": "helpful", "name": "llm_judge", "params": {"rubric": "맞는가?"}, "panel": panel}

    @asynccontextmanager
    async def opens(section: Any, **_: Any) -> AsyncIterator[Going]:
        yield judges[int(section.params["model"][1:])]

    settings = {"cache": False, "concurrency": 1}
    config = a_config(folder, [metric], run=settings)
    return report_of(config, run, opens=opens, listener=listener)


def test_panel__judge_that_goes_away_costs_its_own_votes(tmp_path: Path) -> None:
    events: list[Event] = []
    report = evaluated(tmp_path, Going(ROWS), Going(1), Going(ROWS), listener=events.append)
    assert (report.metrics["helpful"].mean, report.metrics["helpful"].unscored) == (1.0, 0)
    assert [member.votes for member in report.judges["helpful"].per_judge] == [ROWS, 1, ROWS]
    told = [event.text for event in events if isinstance(event, Warned)]
    assert told == ["helpful: has not answered for 105 s; its votes are missing from here on"]


def test_panel__too_few_judges_left__rows_have_no_score(tmp_path: Path) -> None:
    report = evaluated(tmp_path, Going(ROWS), Going(1), Going(2))
    assert report.metrics["helpful"].unscored_by == {"judge_quorum": ROWS - 2}


@pytest.mark.parametrize(
    "judges",
    [
        (Going(ROWS), Going(ROWS), Going(0, ErrorKind.CONNECTION)),
        (Going(ROWS), Going(ROWS), Going(1, ErrorKind.AUTH)),
        (Going(1), Going(1), Going(1)),
    ],
    ids=["never there", "refused key", "all gone"],
)
def test_panel__what_ends_the_evaluation(tmp_path: Path, judges: tuple[Going, ...]) -> None:
    with pytest.raises(BackendError, match="has not answered"):
        evaluated(tmp_path, *judges)
