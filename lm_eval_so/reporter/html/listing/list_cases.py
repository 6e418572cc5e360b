"""The list of cases on the HTML page, as data for its script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import ReportCases
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import texts_of
from lm_eval_so.core.words.formats import count
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.html.listing.entries import COLUMNS, Entries, as_json
from lm_eval_so.reporter.html.listing.listed import some_listed
from lm_eval_so.reporter.html.listing.states import lost_rows, told_samples
from lm_eval_so.reporter.views.view import words_of

BUDGET: Final = 4_000_000
"""Largest size of the data in bytes: with all else on the page the file stays under 5 MB."""
_MOST_MISSES = 50
"""Cases that may be too large for what is left of the budget before the others are left out, too."""
_MARKS: Final = 20
"""Bytes of a case beside its values: commas, its rank, the number that its details stand under."""
_LEAST: Final = 80
"""Bytes of the smallest case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseList:
    """The cases as JSON that may stand in a script element, and which ones are left out."""

    data: str
    texts: str
    """Fixed texts of the script, as such JSON."""
    left_out: str | None
    """Sentence on the cases that the file does not hold; None if it holds all."""


def case_list(
    report: EvaluationReport,
    comparison: Comparison | None,
    style: Style,
    *,
    budget: int = BUDGET,
) -> CaseList:
    """Return the cases of a report for the page.

    Unless the style asks for all, the data keeps within a budget: first all cases that changed,
    failed, have no score or do not count, then a sample of the rest, which is the same one whenever
    the ids are the same.

    Args:
        report: Scores.
        comparison: Verdict, if there is one.
        style: Language, secrets, and which cases the page holds.
        budget: Largest size in bytes.
    """
    limit = None if style.cases is ReportCases.ALL else budget
    listed = limit and some_listed(
        report, told_samples(comparison), lost_rows(report), most=limit // _LEAST
    )
    entries = Entries(listed.report if listed else report, comparison, style)
    told, total = entries.telling, len(entries.states)
    if listed:
        told, total = listed.telling, listed.total
    heads, order = entries.heads(total), entries.order()
    kept = _within(entries, order, limit)
    columns = [kept[sample_id] for sample_id in entries.states if sample_id in kept]
    places = {entry["sample"]: place for place, entry in enumerate(columns)}
    data = {
        **{key: [entry[key] for entry in columns] for key in COLUMNS},
        "more": {str(n): e["more"] for n, e in enumerate(columns) if e["more"]},
        "first": [places[each] for each in order[: entries.telling] if each in places],
        **heads,
    }
    pairs = [f"{as_json(key)}:{as_json(value)}" for key, value in data.items()]
    text = f'{{{",".join(pairs)},"texts":[{",".join(entries.texts.encoded)}]}}'
    return CaseList(
        data=text,
        texts=as_json(texts_of("case_list", style.language)),
        left_out=_left_out(order, kept, style, telling=(entries.telling, told), total=total),
    )


def _within(
    entries: Entries, order: Sequence[str], limit: int | None
) -> dict[str, Mapping[str, Any]]:
    """Return the cases that fit, by sample."""
    kept: dict[str, Mapping[str, Any]] = {}
    numbers, misses = 2_000, 0
    for sample_id in order:
        before = len(entries.texts.encoded)
        entry = entries.entry(sample_id)
        size = len(as_json([entry[key] for key in (*COLUMNS, "more")])) + _MARKS
        if limit is not None and entries.texts.size + numbers + size > limit:
            entries.texts.undo(before)
            misses += 1
            if misses > _MOST_MISSES:
                break
            continue
        numbers += size
        kept[sample_id] = {"sample": sample_id, **entry}
    return kept


def _left_out(
    order: Sequence[str],
    kept: Mapping[str, object],
    style: Style,
    *,
    telling: tuple[int, int],
    total: int,
) -> str | None:
    """Return the sentence on the cases that are left out.

    Args:
        order: Cases that were tried; those that tell something come first.
        kept: Cases that fit.
        style: Language.
        telling: Number of those that tell something, and of all such cases of the report.
        total: Number of cases of the report.
    """
    if len(kept) == total:
        return None
    tried, all_ = telling
    told, drawn = (sum(each in kept for each in some) for some in (order[:tried], order[tried:]))
    words = words_of("case_list", style.language)
    key = "left_out_rest" if told == all_ else "left_out_telling"
    rest = count(total - all_)
    return words(key, told=count(told), all=count(all_), drawn=count(drawn), rest=rest)
