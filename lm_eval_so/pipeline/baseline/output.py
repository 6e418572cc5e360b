"""The output of `baseline update`, for people and as JSON."""

import shlex
from collections.abc import Iterator
from typing import Any

from lm_eval_so.comparator.baseline.promote import MetricChange
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.text import in_columns
from lm_eval_so.core.words.formats import MetricFigures, count
from lm_eval_so.pipeline.baseline.update import Update
from lm_eval_so.reporter.views.origin import COMMIT_DIGITS, minute, short_hash
from lm_eval_so.reporter.views.view import ABSENT, Words, words_of


def update_lines(update: Update, language: Language) -> tuple[str, ...]:
    """Return the lines: the reason, the refusals, the changes, and the commands that commit the file."""
    words = words_of("baseline", language)
    lines = [words("written", path=update.path, reason=update.acceptance.reason)]
    if update.overridden:
        lines.append(words("overridden"))
        lines += [f"  {each.code}: {each.problem.what}" for each in update.overridden]
    if update.previous is None:
        lines.append(words("changes_none"))
    else:
        lines.append(words("changes", place=_place(update.previous)))
        lines += in_columns((_row(c, words, language) for c in update.changes), indent=2)
    if update.is_in_git:
        lines += [words("commit_it"), *(f"  {command}" for command in git_commands(update))]
    return tuple(lines)


def update_values(update: Update) -> dict[str, Any]:
    """Return the values that `baseline update --json` prints."""
    return {
        "path": str(update.path),
        "accepted": to_json(update.acceptance),
        "overridden": [
            {"code": each.code.value, "what": each.problem.what} for each in update.overridden
        ],
        "changes": [
            {
                "metric": each.metric,
                "previous": each.previous,
                "now": each.now,
                "delta": each.delta,
                "state": each.state,
                "redefined": each.is_redefined,
            }
            for each in update.changes
        ],
        "commands": list(git_commands(update)) if update.is_in_git else [],
    }


def git_commands(update: Update) -> Iterator[str]:
    """Yield the commands that commit what was written and nothing else; a person runs them."""
    paths = [str(path) for path in update.paths]
    message = f"baseline: {update.acceptance.reason}"
    yield shlex.join(["git", "add", "--", *paths])
    yield shlex.join(["git", "commit", "-m", message, "--", *paths])


def _place(report: EvaluationReport) -> str:
    commit = short_hash(report.experiment.commit or ABSENT, COMMIT_DIGITS)
    return f"{commit}, {minute(report.experiment.evaluated_at)}"


def _row(change: MetricChange, words: Words, language: Language) -> list[str]:
    shown = MetricFigures(
        kind=change.kind,
        direction=change.direction,
        is_unit=change.is_unit,
        language=language,
    )
    before, now = (
        ABSENT if mean is None else shown.value(mean) for mean in (change.previous, change.now)
    )
    delta = "" if change.delta is None else shown.change(change.delta)
    state = "" if change.state == "unknown" else words(change.state)
    note = words("redefined") if change.is_redefined else ""
    return [
        change.metric,
        f"{before} → {now}",
        delta,
        ", ".join(filter(None, (state, note))),
        words("n", n=" → ".join(count(n) for n in dict.fromkeys(change.n))),
    ]
