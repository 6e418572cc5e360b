"""Views of the baseline: for `baseline show`, and for the line of a comparison about it."""

from collections.abc import Iterator, Sequence
from typing import Any

from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.comparison import BaselineRef
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import Acceptance, EvaluationReport, Experiment
from lm_eval_so.core.report_file import fewest_answers
from lm_eval_so.core.text import in_columns
from lm_eval_so.core.words.formats import count
from lm_eval_so.reporter.views.metrics import bounds, valued
from lm_eval_so.reporter.views.origin import COMMIT_DIGITS, minute, short_hash
from lm_eval_so.reporter.views.view import ABSENT, Words, words_of

_DIGEST_DIGITS = 12


def baseline_lines(
    report: EvaluationReport | None, place: BaselineRef, language: Language
) -> tuple[str, ...]:
    """Return the baseline's description for a terminal, with texts as they came.

    Args:
        report: Baseline; None if there is none.
        place: Place of the baseline, or of the search for it.
        language: Language of the texts.
    """
    words = words_of("baseline", language)
    if report is None:
        none = words("none", path=place.path) if place.path else words("none_named")
        return none, words("how")
    return (
        *in_columns([list(fact) for fact in _facts(report, place, words)]),
        "",
        words("metrics"),
        *in_columns(_metric_rows(report, words, words_of("report", language)), indent=2),
        "",
        *_history(report.accepted, words),
    )


def baseline_values(
    report: EvaluationReport | None, place: BaselineRef, *, digest: str | None
) -> dict[str, Any]:
    """Return the values of `baseline show --json`.

    Args:
        report: Baseline; None if there is none.
        place: Place of the baseline, or of the search for it.
        digest: Digest of its figures.
    """
    values: dict[str, Any] = {"place": to_json(place)}
    if report is None:
        return values
    experiment = report.experiment
    backend = experiment.backend
    return values | {
        "digest": digest,
        "suite": experiment.suite,
        "commit": experiment.commit,
        "evaluated_at": experiment.evaluated_at,
        "complete": experiment.complete,
        "eligible": experiment.eligible,
        "dataset": to_json(experiment.dataset),
        "backend": {"name": backend.name, "label": backend.label, "model": backend.model},
        "metrics": {
            key: {"mean": m.mean, "ci95": m.ci95, "n": m.sample_count, "unscored": m.unscored}
            for key, m in report.metrics.items()
        },
        "accepted": [to_json(each) for each in report.accepted],
    }


def acceptance_note(accepted: Acceptance, language: Language) -> tuple[str, str]:
    """Return the note before the reason of a baseline, and the reason."""
    words = words_of("baseline", language)
    when = ", ".join(filter(None, (minute(accepted.at), accepted.by)))
    if accepted.forced:
        codes = ", ".join(accepted.forced)
        return words("accepted_forced", when=when, codes=codes), accepted.reason
    return words("accepted", when=when), accepted.reason


def place_text(place: BaselineRef, words: Words) -> str:
    """Return the place that a baseline was read from."""
    path = place.path or place.source
    if place.ref is None:
        return path
    return words("in_git", path=path, ref=short_hash(place.ref, COMMIT_DIGITS))


def _facts(report: EvaluationReport, place: BaselineRef, words: Words) -> Iterator[tuple[str, str]]:
    experiment = report.experiment
    dataset, backend = experiment.dataset, experiment.backend
    yield words("baseline"), place_text(place, words)
    yield words("suite"), experiment.suite
    yield words("commit"), short_hash(experiment.commit or ABSENT, COMMIT_DIGITS)
    yield words("evaluated"), minute(experiment.evaluated_at)
    digest = f"sha256:{short_hash(dataset.digest, _DIGEST_DIGITS)}"
    asked = fewest_answers(report)
    key = "samples_asked" if asked > 1 else "samples"
    size = words(key, n=count(dataset.n), k=count(asked))
    yield words("dataset"), _joined(dataset.name, dataset.version, size, digest)
    model = words("model", model=backend.model) if backend.model else None
    yield words("backend"), _joined(backend.name, backend.label, model)
    yield words("state"), _state(experiment, words)


def _state(experiment: Experiment, words: Words) -> str:
    if not experiment.complete:
        return words("incomplete", n=count(experiment.missing))
    return words("complete") if experiment.eligible else words("ineligible")


def _metric_rows(report: EvaluationReport, words: Words, units: Words) -> Iterator[list[str]]:
    for key, metric in report.metrics.items():
        n = words("n", n=count(metric.sample_count))
        lost = words("unscored", n=count(metric.unscored)) if metric.unscored else ""
        yield [key, valued(metric.mean, metric.unit, units), bounds(metric.ci95), n, lost]


def _history(accepted: Sequence[Acceptance], words: Words) -> Iterator[str]:
    if not accepted:
        yield words("history_none")
        return
    yield words("history")
    for each in accepted:
        facts = [minute(each.at), each.reason]
        facts += [words("by", name=each.by)] if each.by else []
        facts += [words("forced", codes=", ".join(each.forced))] if each.forced else []
        facts.append(_instead(each, words))
        yield f"  {_joined(*facts)}"


def _instead(accepted: Acceptance, words: Words) -> str:
    previous = accepted.previous
    if previous is None:
        return words("first")
    if not previous.commit:
        return words("instead_unknown")
    return words("instead", commit=short_hash(previous.commit, COMMIT_DIGITS))


def _joined(*parts: str | None) -> str:
    return " · ".join(part for part in parts if part)
