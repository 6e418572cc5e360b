"""Reports made of columns of scores, as small or as large as a test needs."""

import math

from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.costs import CostSummary, LatencySummary
from lm_eval_so.core.records.enums import Direction, MetricKind, RunStatus
from lm_eval_so.core.records.report import (
    Columns,
    EvaluationReport,
    Experiment,
    JudgeHealth,
    Labels,
    MetricSummary,
)
from lm_eval_so.core.records.run import BackendInfo, DatasetRef
from lm_eval_so.core.stats.diagnostic import Diagnosis

RATIOS = {"latency_ms": "ms", "ttft_ms": "ms", "cost_usd": "usd"}
"""Metrics that `make_report` takes for ratios, and their units."""


def make_report(
    scores,
    *,
    ids=None,
    revs=None,
    groups=None,
    kinds=None,
    directions=None,
    ranges=None,
    fingerprints=None,
    definitions=None,
    not_applicable=None,
    cached=(),
    answers=None,
    inputs=None,
    expected=None,
    errors=(),
    suite="support-qa",
    commit="4f2a9c1" + "0" * 33,
    model="gpt-4.1-mini",
    params=None,
    system=None,
    dataset_version="1.0.0",
    bot_usd=None,
    evaluator_config=None,
    judges=None,
    tags=None,
    languages=None,
    labels=None,
    costs=None,
    wording=(),
):
    """Make a report.

    Args:
        scores: Per metric a value per sample: a number, None, or a list of repeats.
        ids: Default: s0, s1, …
        revs: Per sample; default: the same for the same id.
        groups: Per sample.
        kinds: Of metrics; default: ratio for the names in RATIOS, binary if all values are 0 or 1,
            bounded if all lie between, else unbounded.
        directions: Of metrics; default: lower for ratios, else higher.
        ranges: Of bounded metrics; default: 0 … 1.
        fingerprints: Of metrics; default: of the definition.
        definitions: Of metrics.
        not_applicable: Row positions per metric.
        cached: Row positions.
        answers: Per row, as inputs and expected.
        bot_usd: What the chatbot cost.
        judges: The calibration of each judge, by metric.
        tags: Of each sample, as its language and by name other labels.
        costs: More of what it cost.
        wording: Metrics that measure wording alone.
    """
    size = max((len(column) for column in scores.values()), default=0)
    ids = [f"s{i}" for i in range(size)] if ids is None else list(ids)
    revs = [f"rev-{i}" for i in ids] if revs is None else list(revs)
    groups = [None] * size if groups is None else list(groups)
    repeats = [repeats_of(scores, i) for i in range(size)]
    rows = [(i, repeat) for i in range(size) for repeat in range(repeats[i])]
    columns = {
        key: tuple(listed(column[i])[repeat] for i, repeat in rows)
        for key, column in scores.items()
    }
    kinds = {key: kind_of(key, column) for key, column in columns.items()} | (kinds or {})
    shapes = {"directions": directions or {}, "ranges": ranges or {}}
    given = {"fingerprints": fingerprints or {}, "definitions": definitions or {}}
    return EvaluationReport(
        experiment=make_experiment(
            suite=suite,
            commit=commit,
            model=model,
            params=params or {},
            system=system,
            dataset_version=dataset_version,
            n=size,
            evaluator_config=evaluator_config or {},
        ),
        metrics={
            key: make_summary(key, column, kinds[key], **shapes, **given, wording=wording)
            for key, column in columns.items()
        },
        breakdowns=(),
        statuses=dict.fromkeys(RunStatus, 0) | {RunStatus.OK: len(rows)},
        cost=CostSummary(
            bot_usd=bot_usd,
            bot_priced=len(rows) if bot_usd is not None else 0,
            bot_rows=len(rows),
            **{"judges_usd": None, **(costs or {})},
            usage=Usage(),
        ),
        latency=LatencySummary(n=0, p50_ms=None, p95_ms=None, max_ms=None, cached=len(cached)),
        judges={key: make_health(found) for key, found in (judges or {}).items()},
        errors=tuple(errors),
        samples=Columns(
            ids=tuple(ids[i] for i, _ in rows),
            sample_hashes=tuple(revs[i] for i, _ in rows),
            revs=tuple(revs[i] for i, _ in rows),
            groups=tuple(groups[i] for i, _ in rows),
            repeats=tuple(repeat for _, repeat in rows),
            statuses=("ok",) * len(rows),
            scores=columns,
            not_applicable=not_applicable or {},
            inputs=None if inputs is None else tuple(inputs),
            expected=None if expected is None else tuple(expected),
            answers=None if answers is None else tuple(answers),
            cached=tuple(cached),
            tags=None if tags is None else tuple(tuple(tags[i]) for i, _ in rows),
            languages=None if languages is None else tuple(languages[i] for i, _ in rows),
            labels={by: label_column(each, rows) for by, each in (labels or {}).items()},
        ),
    )


def label_column(labels, rows):
    """Return a label per row as a report keeps them."""
    values = tuple(dict.fromkeys(labels))
    return Labels(values=values, places=tuple(values.index(labels[i]) for i, _ in rows))


def make_summary(key, column, kind, *, directions, ranges, fingerprints, definitions, wording):
    """Make the figures of a metric."""
    present = [value for value in column if is_number(value)]
    closed = kind in {MetricKind.BINARY, MetricKind.BOUNDED}
    definition = definitions.get(key, {"name": key, "version": 1})
    lower = kind is MetricKind.RATIO
    return MetricSummary(
        name=key,
        mean=math.fsum(present) / len(present) if present else None,
        std=None,
        sample_count=len(present),
        rows=len(present),
        ci95=None,
        unscored=len(column) - len(present),
        direction=directions.get(key, Direction.LOWER if lower else Direction.HIGHER),
        kind=kind,
        range=ranges.get(key, (0.0, 1.0) if closed else None),
        measures_overlap=key in wording,
        unit=RATIOS.get(key),
        fingerprint=fingerprints.get(key, repr(sorted(definition.items()))),
        definition=definition,
    )


def make_health(calibration):
    """Make the health of a judge that is known only by how it did against people."""
    return JudgeHealth(
        model="judge-1",
        fingerprint="j" * 64,
        rows=1,
        calls=1,
        valid_first=1,
        repaired=0,
        unscored={},
        labels={},
        calibration=calibration,
        state="ok",
    )


def make_calibration(*, tp, fn, tn, fp, fingerprint="f" * 64, **changes):
    """Make a calibration of a judge with two labels, of these four counts."""
    found = Diagnosis(tp=tp, fn=fn, tn=tn, fp=fp)
    n = found.positives + found.negatives
    values = {
        "metric": "helpful",
        "fingerprint": fingerprint,
        "labels": {"good": 1.0, "bad": 0.0},
        "positive": ("good",),
        "rows": n,
        "n": n,
        "confusion": {"good": {"good": tp, "bad": fn}, "bad": {"good": fp, "bad": tn}},
        "agreement": (tp + tn) / n,
        "kappa": None,
        "kappa_weights": "none",
        "tp": tp,
        "fn": fn,
        "tn": tn,
        "fp": fp,
        "se": found.sensitivity,
        "se_ci95": found.sensitivity_interval,
        "sp": found.specificity,
        "sp_ci95": found.specificity_interval,
        "j": found.youden,
        "alpha": None,
        "annotators": 1,
        "unscored": 0,
        "unscored_rate": 0.0,
        "labels_file": "labels.csv",
        "labels_digest": "d" * 64,
        "calibrated_at": "2026-11-24T06:30:00.000Z",
        **changes,
    }
    return Calibration(**values)


def make_experiment(*, suite, commit, model, params, system, dataset_version, n, evaluator_config):
    """Make the head of a report."""
    return Experiment(
        suite=suite,
        suite_id=suite,
        commit=commit,
        base_ref="main",
        eligible=True,
        complete=True,
        missing=0,
        dataset=DatasetRef(name="toy", version=dataset_version, digest="6b1f" + "0" * 60, n=n),
        backend=BackendInfo(
            name="openai", label=f"openai_{model}", model=model, params=params, system=system
        ),
        run_config={},
        evaluator_config=evaluator_config,
        fingerprints={},
        versions={},
        started_at=None,
        finished_at=None,
        evaluated_at="2026-11-24T06:30:00Z",
    )


def kind_of(key, column):
    """Return the kind of a metric that does not declare one."""
    present = [value for value in column if is_number(value)]
    if key in RATIOS:
        return MetricKind.RATIO
    if all(value in {0, 1} for value in present):
        return MetricKind.BINARY
    return MetricKind.BOUNDED if all(0 <= v <= 1 for v in present) else MetricKind.UNBOUNDED


def repeats_of(scores, sample):
    """Return how many answers a sample has."""
    return max(len(listed(column[sample])) for column in scores.values())


def listed(value):
    """Return a value as a list of repeats."""
    return value if isinstance(value, list) else [value]


def is_number(value):
    """Return whether there is a usable value."""
    return value is not None and math.isfinite(value)
