"""The run's verdict in plain sentences, the deciding metrics' first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.comparator.gate.decide import Decision
from lm_eval_so.comparator.gate.verdicts import Judged
from lm_eval_so.comparator.pairing import Reports
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.sentences.figures import Setting, metric_texts
from lm_eval_so.comparator.sentences.metric import metric_sentence, slice_sentence
from lm_eval_so.comparator.slices.compare import Slices
from lm_eval_so.core.records.comparison import AnchorComparison, Reason
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.words import Wording, say
from lm_eval_so.core.words.formats import count
from lm_eval_so.core.words.phrases import anchor_sentence, rounds_sentence

_MOST_SENTENCES = 3
_SHARED = frozenset({Verdict.ERROR, Verdict.INCOMPARABLE})
"""Verdicts whose cause is most often the same for all metrics, and told once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worded:
    """A decision in words."""

    sentence: Wording
    """Sentences of the run, in every language."""
    metrics: Mapping[str, Wording]
    """Sentences of each metric."""
    cost_per_sample: float | None
    """Price of a sample in US dollars, if it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Parts that the sentences of a run are put together from."""

    verdict: Verdict
    gating: Mapping[str, Judged]
    """Metrics that decide, the worst first."""
    sentences: Mapping[str, str]
    where: Mapping[str, str]
    """Proven worst slice by metric, as a sentence of its own."""
    language: Language

    def say(self, key: str, figures: Mapping[str, object] | None = None) -> str:
        return say(f"comparison.{key}", self.language, figures or {})


@dataclass(frozen=True, slots=True)
class _Since:
    """Sentences of metrics that are worse than the anchor alone."""

    anchor: AnchorComparison
    reports: Reports
    setting: Setting

    def sentence(self, key: str, metric: Judged, rest: str) -> str:
        """Return the sentences of a metric: those against the anchor, then the rest."""
        if metric.anchor is None:
            return rest
        texts = metric_texts(key, metric.anchor, self.setting)
        return anchor_sentence(
            self.anchor.ref,
            metric_sentence(metric.anchor, texts),
            [*map(self._name, self.anchor.metrics[key].worse_samples)],
            rest=rest,
            language=self.setting.language,
        )

    def _name(self, sample_id: str) -> str:
        """Return the user's own id of a sample, or else its id."""
        side = self.reports.side
        refs = side.columns.refs
        return (refs[side.rows_by_id[sample_id][0]] if refs else None) or sample_id


def word_run(
    decision: Decision,
    reports: Reports,
    slices: Slices,
    *,
    no_baseline: Reason | None = None,
) -> Worded:
    """Put a decision into words, in every language.

    Args:
        decision: Decided metrics and run.
        reports: Candidate and baseline, paired.
        slices: Slices of the comparison.
        no_baseline: Reason why no baseline could be read; said first, whatever the verdict.
    """
    judged = decision.judged
    usual = Setting(
        language=Language.EN,
        alpha=reports.alpha,
        cost_per_sample=reports.candidate.cost.price_per(len(reports.side.rows_by_id)),
        has_anchor=any(metric.anchor is not None for metric in judged.values()),
    )
    runs = {
        language.value: _run(decision, reports, slices, replace(usual, language=language))
        for language in Language
    }
    return Worded(
        sentence={key: _sentence(run, decision, reports, no_baseline) for key, run in runs.items()},
        metrics={
            key: {language: run.sentences[key] for language, run in runs.items()} for key in judged
        },
        cost_per_sample=usual.cost_per_sample,
    )


def _run(decision: Decision, reports: Reports, slices: Slices, setting: Setting) -> _Run:
    judged = decision.judged
    texts = {key: metric_texts(key, metric, setting) for key, metric in judged.items()}
    sentences = {
        key: metric_sentence(metric, texts[key], slices.worst.get(key))
        for key, metric in judged.items()
    }
    if decision.anchor is not None:
        since = _Since(decision.anchor, reports, setting)
        sentences |= {
            key: since.sentence(key, metric, sentences[key])
            for key, metric in judged.items()
            if metric.is_by_anchor
        }
    return _Run(
        verdict=decision.verdict,
        gating={key: metric for key, metric in judged.items() if metric.gating},
        sentences=sentences,
        where={
            key: slice_sentence(worst, texts[key], key="worst_slice_of")
            for key, worst in slices.worst.items()
            if judged[key].gating
        },
        language=setting.language,
    )


def _sentence(run: _Run, decision: Decision, reports: Reports, no_baseline: Reason | None) -> str:
    if decision.verdict is Verdict.INCOMPARABLE and reports.baseline is None:
        parts = _without_baseline(run, no_baseline)
    else:
        parts = [_why(run, no_baseline)] if no_baseline else []
        parts += _verdict_sentences(run) if run.gating else []
    if not run.gating:
        parts.append(_nothing_judged(run, decision.judged))
    if decision.terms.rounds is not None:
        parts.append(rounds_sentence(decision.terms.rounds, run.language))
    return " ".join(parts)


def _verdict_sentences(run: _Run) -> list[str]:
    deciding = [key for key, metric in run.gating.items() if metric.verdict is run.verdict]
    lead = run.gating[deciding[0]]
    if lead.code is Code.OTHER_SUITE and lead.finding.ruling is not None:
        return [run.say("whole_other_suite", lead.finding.ruling.figures)]
    if run.verdict is Verdict.PASS:
        parts = [run.sentences[deciding[0]]]
        if len(run.gating) > 1:
            parts.append(run.say("all_pass", {"m": count(len(run.gating))}))
        return parts + [text for key, text in run.where.items() if key != deciding[0]][:1]
    shown = _shown(run, deciding)
    parts = [*_ends_once([run.sentences[key] for key in shown])]
    if rest := ", ".join(key for key in deciding if key not in shown):
        parts.append(run.say("and_more", {"metrics": rest}))
    if not any(key in shown for key in run.where):
        parts += list(run.where.values())[:1]
    return parts


def _ends_once(sentences: Sequence[str]) -> Iterator[str]:
    """Yield the sentences of metrics; what several end with, as too few cases, is said by the last of them."""
    ends = [text.partition(". ")[2] for text in sentences]
    for place, text in enumerate(sentences):
        is_repeated = ends[place] and ends[place] in ends[place + 1 :]
        yield f"{text.partition('. ')[0]}." if is_repeated else text


def _without_baseline(run: _Run, no_baseline: Reason | None) -> list[str]:
    usual = [run.say("whole_no_baseline"), run.say("take_baseline")]
    parts = [_why(run, no_baseline)] if no_baseline else usual
    bounds = {key: metric.threshold for key, metric in run.gating.items() if metric.threshold}
    unclear = [key for key, bound in bounds.items() if bound.verdict is not Verdict.PASS]
    if bounds and not unclear:
        parts.append(run.say("thresholds_hold", {"m": count(len(bounds))}))
    return [*parts, *(run.sentences[key] for key in unclear)]


def _nothing_judged(run: _Run, judged: Mapping[str, Judged]) -> str:
    """Return that no metric gates, and what to write so that one does."""
    findings = {key: metric.finding for key, metric in judged.items()}
    wording = {key: each for key, each in findings.items() if each.limits.is_wording}
    if not wording:
        return run.say("nothing_gates")
    key, finding = next(iter(wording.items()))
    figures = {
        "metrics": ", ".join(wording),
        "gate": f"gate.metrics.{key}.margin: {finding.shape.default_margin:g}",
    }
    return run.say("nothing_gates_wording", figures)


def _why(run: _Run, no_baseline: Reason) -> str:
    return run.say(f"whole_{no_baseline.code}", no_baseline.figures)


def _shown(run: _Run, deciding: Sequence[str]) -> Sequence[str]:
    if run.verdict not in _SHARED:
        return deciding[:_MOST_SENTENCES]
    first_by_code: dict[Code | None, str] = {}
    for key in deciding:
        first_by_code.setdefault(run.gating[key].code, key)
    return list(first_by_code.values())
