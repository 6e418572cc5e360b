"""Entries of the list of cases: places of texts, a state, and a list for each row."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Direction, MetricKind, ScoreStatus
from lm_eval_so.core.records.report import Case, EvaluationReport
from lm_eval_so.core.templates.safe import cut
from lm_eval_so.core.words.first_cases import FirstCase, first_cases
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.html.listing.listed import by_chance
from lm_eval_so.reporter.html.listing.states import (
    STATES,
    VIEWS,
    CaseState,
    case_states,
    right_rows,
)
from lm_eval_so.reporter.views.cases import (
    findings,
    is_answer,
    short_value,
    source_text,
    status_name,
)
from lm_eval_so.reporter.views.slices import by_name
from lm_eval_so.reporter.views.view import Finding, words_of

COLUMNS: Final = (
    *("id", "ref", "input", "expected", "references", "language"),
    *("tags", "labels", "state", "views", "rows"),
)
"""Keys of an entry, each a column of the data."""
_LONGEST = 4000
_LARGEST_TEXT = 24_000
"""Bytes of a text as JSON; a longer one is cut once more."""
_NOT_KEPT: Final = -2
"""Place of an answer that was given and is not in the report."""
_EXACT: Final = 1e15
_UNSAFE = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


class Texts:
    """Texts without secrets, cut to a length, as JSON; each is kept once."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._places: dict[str, int] = {}
        self.encoded: list[str] = []
        self.size = 0

    def place(self, text: str | None) -> int:
        """Return the place of a text; -1 if there is none."""
        if text is None:
            return -1
        found = self._places.get(text)
        if found is None:
            found = self._places[text] = len(self.encoded)
            self.encoded.append(_encoded(self._redact(text)))
            self.size += len(self.encoded[-1].encode()) + 1
        return found

    def undo(self, length: int) -> None:
        """Forget the texts from a place on."""
        for text in list(self._places)[length:]:
            del self._places[text]
        self.size -= sum(len(text.encode()) + 1 for text in self.encoded[length:])
        del self.encoded[length:]


class Entries:
    """Entries of the list, made one by one.

    Args:
        report: Scores.
        comparison: Verdict, if there is one.
        style: Language and secrets.
    """

    def __init__(
        self, report: EvaluationReport, comparison: Comparison | None, style: Style
    ) -> None:
        self._report, self._comparison = report, comparison
        self._language = style.language
        self._words = words_of("report", style.language)
        self.texts = Texts(style.redactor.redact)
        self.states = case_states(report, comparison)
        self._right = right_rows(report, comparison)
        told = first_cases(comparison, style.language) if comparison else ()
        self._told = {case.sample_id: case for case in told}
        broken = comparison.broken.cases if comparison and comparison.broken else ()
        self._broken = {case.sample_id: case for case in reversed(broken)}
        reworded = comparison.reworded if comparison else ()
        self._reworded = {case.sample_id: case.baseline_answer for case in reworded}
        changed = comparison.changed if comparison else ()
        self._changed = {case.sample_id: case for case in reversed(changed)}
        self._rows: dict[str, list[int]] = {}
        for row, sample_id in enumerate(report.samples.ids):
            self._rows.setdefault(sample_id, []).append(row)
        self._shown: dict[str, list[Case]] = {}
        for case in report.errors:
            self._shown.setdefault(case.sample_id, []).append(case)
        self.telling = sum(state.is_telling for state in self.states.values())

    def order(self) -> list[str]:
        """Return the samples: those that got worse, then failed ones, then others that tell something.

        The rest follows in an order by chance that its ids alone decide.
        """
        slipped = (each for each, state in self.states.items() if "slip" in state.views)
        ranked = dict.fromkeys((*self._told, *slipped, *self._report.failed_ids))
        telling = [each for each, state in self.states.items() if state.is_telling]
        known = {*telling}
        first = [each for each in ranked if each in known]
        others = [each for each in self.states if each not in known]
        others.sort(key=by_chance)
        return [*first, *(each for each in telling if each not in ranked), *others]

    def heads(self, total: int) -> dict[str, Any]:
        """Return what is common to all cases, of which there are so many."""
        place, metrics = self.texts.place, self._report.metrics
        columns = self._report.samples
        return {
            "total": total,
            "names": [place(name) for name in columns.scores],
            "lower": [
                name in metrics and metrics[name].direction is Direction.LOWER
                for name in columns.scores
            ],
            "units": [
                place(metrics[name].unit if name in metrics else None) for name in columns.scores
            ],
            "best": [_best(metrics.get(name)) for name in columns.scores],
            "state_names": {name: number for number, name in enumerate(STATES)},
            "view_bits": {view: 1 << bit for bit, view in enumerate(VIEWS)},
            "label_sets": [
                {
                    "by": place(name),
                    "name": place(by_name(name, self._words)),
                    "values": [place(value) for value in each.values],
                }
                for name, each in columns.labels.items()
            ],
        }

    def entry(self, sample_id: str) -> dict[str, Any]:
        """Return a case: places of its texts, its state, and a list for each of its rows."""
        columns, place = self._report.samples, self.texts.place
        rows, state = self._rows[sample_id], self.states[sample_id]
        row = rows[0]
        tags = columns.tags[row] if columns.tags else ()
        references = columns.references[row] if columns.references else ()
        return {
            "id": place(sample_id),
            "ref": place(_at(columns.refs, row) or None),
            "input": place(_at(columns.inputs, row)),
            "expected": place(_at(columns.expected, row)),
            "references": [place(each) for each in references],
            "language": place(_at(columns.languages, row)),
            "tags": [place(tag) for tag in tags],
            "labels": [each.places[row] for each in columns.labels.values()],
            "state": STATES.index(state.name),
            "views": _bits(state),
            "rows": [self._row(each, state, len(rows)) for each in rows],
            "more": self._more(sample_id),
        }

    def _row(self, row: int, state: CaseState, of: int) -> list[Any]:
        columns, place = self._report.samples, self.texts.place
        # a single answer fails with its case, whichever metric says so
        right = False if of == 1 and "failing" in state.views else self._right[row]
        answer = place(_at(self._report.answer_texts, row))
        if answer < 0 and is_answer(columns.statuses[row]):
            answer = _NOT_KEPT
        return [
            answer,
            place(status_name(columns.statuses[row], self._words)),
            -1 if right is None else int(right),
            *(_short(values[row]) for values in columns.scores.values()),
        ]

    def _more(self, sample_id: str) -> dict[str, Any]:
        """Return what the comparison tells of a case, and the reasons that the report keeps."""
        place, found = self.texts.place, dict[str, Any]()
        told = self._told.get(sample_id)
        reasons: dict[tuple[str, str], Finding] = {}
        if told is not None:
            found |= self._sides(told)
            for metric, reason in told.reasons:
                reasons[metric, reason] = Finding(metric=metric, reason=reason, evidence=())
        else:
            found |= self._gain(sample_id)
        for case in self._shown.get(sample_id, ()):
            found |= self._of_row(case)
            for each in findings(case, _with_reasons(case), self._words):
                if is_answer(case.status):
                    reasons[each.metric, each.reason] = each
        if source := self._source(sample_id):
            found["source"] = place(source)
        if tally := self._tally(sample_id):
            found["tally"] = tally
        if (change := self._changed.get(sample_id)) is not None:
            scores = _short(change.baseline), _short(change.candidate)
            found["moved"] = [place(change.metric), *scores]
        if reasons:
            found["why"] = [_finding(each, place) for each in reasons.values()]
        return found

    def _sides(self, told: FirstCase) -> dict[str, Any]:
        place = self.texts.place
        return {
            "was": place(told.baseline_answer),
            "now": place(told.answer),
            "was_said": place(told.was or None),
            "now_said": place(told.now or None),
            "notes": [place(note) for note in told.notes],
        }

    def _gain(self, sample_id: str) -> dict[str, Any]:
        """Return both answers of a case that slipped once, got better or is only reworded."""
        slip, change = self._broken.get(sample_id), self._changed.get(sample_id)
        if slip is not None:
            was, now = slip.baseline_answer, slip.answer
        elif change is not None:
            was, now = change.baseline_answer, change.candidate_answer
        elif sample_id in self._reworded:
            return {"was": self.texts.place(self._reworded[sample_id])}
        else:
            return {}
        return {"was": self.texts.place(was), "now": self.texts.place(now)}

    def _source(self, sample_id: str) -> str:
        """Return the place that a case is from; empty if it is not known."""
        sources = self._report.samples.sources
        source = sources[self._rows[sample_id][0]] if sources else None
        return source_text(source, self._language) if source else ""

    def _tally(self, sample_id: str) -> list[list[int]]:
        """Return right and all answers of the baseline and of the candidate, if they can be counted."""
        case, told = self._broken.get(sample_id), self._told.get(sample_id)
        if told is not None and told.right_now is not None:
            return [[*(told.right_before or (0, 0))], [*told.right_now]]
        if case is None or case.no_answer:
            return []
        wrong, all_ = case.now
        return [[*(case.baseline or (0, 0))], [all_ - wrong, all_]]

    def _of_row(self, case: Case) -> dict[str, Any]:
        """Return the texts of a row that the report keeps in full."""
        place, metrics = self.texts.place, self._report.metrics
        said = {s.metric: short_value(s, metrics.get(s.metric), self._words) for s in case.scores}
        found: dict[str, Any] = {"input": place(case.input or None)}
        if not is_answer(case.status):
            return found | {"error": place(case.reason)}
        names = self._report.samples.scores
        return found | {"said": [place(said.get(name)) for name in names]}


def _with_reasons(case: Case) -> list[str]:
    """Return the metrics that apply to a row, the failed ones first."""
    scored = [s.metric for s in case.scores if s.status is not ScoreStatus.NOT_APPLICABLE]
    return [*dict.fromkeys((*case.failed, *scored))]


def _finding(each: Finding, place: Callable[[str | None], int]) -> list[Any]:
    votes = [
        [place(vote.model), place(vote.said), place(vote.reason), [*map(place, vote.evidence)]]
        for vote in each.votes
    ]
    return [place(each.metric), place(each.reason), [*map(place, each.evidence)], votes]


def _bits(state: CaseState) -> int:
    return sum(1 << bit for bit, view in enumerate(VIEWS) if view in state.views)


def _best(metric: Any) -> float | None:
    """Return the full score of a metric; None if there is no such thing."""
    if metric is None or metric.range is None or metric.kind is MetricKind.RATIO:
        return None
    low, high = metric.range
    return float(low if metric.direction is Direction.LOWER else high)


def _encoded(text: str) -> str:
    graphemes = _LONGEST
    made = as_json(cut(text, graphemes))
    while (size := len(made.encode())) > _LARGEST_TEXT:
        graphemes = graphemes * _LARGEST_TEXT // size
        made = as_json(cut(text, graphemes))
    return made


def as_json(value: object) -> str:
    """Return JSON that may stand in a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_UNSAFE)


def _at(column: Sequence[str | None] | None, row: int) -> str | None:
    return column[row] if column is not None else None


def _short(value: float | None) -> float | None:
    if value is None:
        return None
    is_whole = abs(value) < _EXACT and value == int(value)
    return int(value) if is_whole else float(f"{value:.6g}")
