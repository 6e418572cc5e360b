"""An import from another tool, told to a listener in 80 columns."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lm_eval_so.core.events import Concluded, Listener
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.templates.safe import normalise
from lm_eval_so.core.text import cut_to_columns, in_columns, wrap
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import count, score

STAGE: Final = "import"
_COLUMNS: Final = 80
_INDENT: Final = 2
_LONGEST_HEAD: Final = 240
_LONGEST_NAME: Final = 40


def tell_import(
    report: EvaluationReport, language: Language, tell: Listener, *, folder: Path
) -> None:
    """Tell the chatbot and its answers, a line for each metric, and what comes next.

    Args:
        report: The report of an import.
        language: Language of the texts.
        tell: Listener.
        folder: Folder of the report.
    """
    experiment, rows = report.experiment, report.samples
    tool = experiment.backend.name
    lost = sum(map(len, rows.failures.values()))
    told = {
        "tool": " ".join(filter(None, (tool, experiment.versions.get(tool)))),
        "label": experiment.backend.label,
        "samples": count(len({*rows.ids})),
        "answers": count(len(rows.ids) - lost),
        "lost": count(lost),
    }
    headline = cut_to_columns(_plain(say("imported.headline", language, told)), _LONGEST_HEAD)
    command = f"lm-eval-so compare {shlex.quote(str(folder))} --baseline FILE"
    following = wrap(say("imported.next", language, {"command": command}), _COLUMNS - _INDENT)
    lines = (
        *in_columns([*_table(report, language)], indent=_INDENT),
        "",
        *(f"{' ' * _INDENT}{line}" for line in following),
    )
    tell(Concluded(stage=STAGE, headline=headline, lines=lines))


def _table(report: EvaluationReport, language: Language) -> Iterator[list[str]]:
    heads = ("comment.metric", "imported.mean", "imported.scored", "imported.unscored")
    yield [say(head, language) for head in heads]
    for key, each in report.metrics.items():
        mean = "–" if each.mean is None else score(each.mean)
        name = cut_to_columns(_plain(key), _LONGEST_NAME)
        yield [name, mean, count(each.rows), count(each.unscored)]


def _plain(text: str) -> str:
    """Return a foreign text on one line, with its controls shown."""
    return " ".join(normalise(text).split())
