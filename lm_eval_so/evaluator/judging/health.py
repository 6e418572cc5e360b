"""Health of a judge as an instrument: repairs, agreement, bias, calibration."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.costs import add_costs, add_usage
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.judge_health import JudgeCalibration
from lm_eval_so.core.records.report import JudgeHealth
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.stats.agreement import Level, has_shifted, spearman_rho, total_variation
from lm_eval_so.core.stats.bounded import mean_of
from lm_eval_so.core.stats.diagnostic import LOW_J, WEAK_J, Diagnosis
from lm_eval_so.core.stats.distributions import normal_quantile
from lm_eval_so.evaluator.judging.vote_tallies import (
    ClaimTally,
    PairTally,
    PanelTally,
    is_usable,
    was_asked,
)

_BAD_UNSCORED = 0.05
_MUCH_REPAIRED = 0.05
_MUCH_UNKNOWN = 0.10
_MANY_FLIPS = 0.20
_MANY_UNQUOTED = 0.10
_MANY_CLAIMLESS = 0.05
_LITTLE_REPEATED = 0.90
_LOW_ALPHA = 0.667
_FEWEST_LENGTHS = 30

_BAD = frozenset({"unscored", "j_weak"})
"""Reasons that make a judge bad; all others are warnings."""


class JudgeTally:
    """Tally of the verdicts by the judges of a metric, whatever the order of rows.

    Args:
        models: The models as configured, one for each judge.
        level: Level of measurement of a vote.
    """

    def __init__(self, models: Sequence[str | None], level: Level = "nominal") -> None:
        self._configured = tuple(models)
        self._models: set[str] = set()
        self._deciding: set[str] = set()
        self._rows = 0
        self._calls = 0
        self._valid_first = 0
        self._repaired = 0
        self._votes = self._unknown = 0
        self._unscored: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._costs: list[float | None] = []
        self._usage = Usage()
        self._claims = ClaimTally()
        self._panel = PanelTally(self._configured, level)
        self._pairs = PairTally()
        self._lengths: list[tuple[float, float]] = []
        self._retested = 0
        self._same = 0
        self._squares: list[float] = []

    @property
    def costs(self) -> list[float | None]:
        """Cost of each row that was judged by a call; retests come last."""
        return self._costs

    def add(self, score: Score, *, length: int | None = None) -> None:
        """Count a row.

        Args:
            score: Score of the row.
            length: Length of the answer, in graphemes.
        """
        if score.status is ScoreStatus.UNSCORED:
            self._unscored[score.code or "unscored"] += 1
        if not was_asked(score):
            return
        self._rows += 1
        self._valid_first += all(map(_is_valid_first, score.judge))
        self._repaired += any(vote.repaired for vote in score.judge)
        self._votes += sum(vote.calls > 0 for vote in score.judge)
        self._unknown += sum(vote.code == "judge_unknown" for vote in score.judge)
        self._labels.update(_label(score))
        self._claims.add(score)
        self._panel.add(score)
        self._pairs.add(score)
        self._spend(score)
        if score.value is not None and length is not None:
            self._lengths.append((length, score.value))

    def add_retest(self, first: Score, again: Score) -> None:
        """Count a row that was judged once more, if it has a verdict both times."""
        if was_asked(again):
            self._spend(again)
        if first.value is None or again.value is None:
            return
        self._retested += 1
        self._squares.append((first.value - again.value) ** 2)
        if first.label is None or again.label is None:
            self._same += first.value == again.value
        else:
            self._same += first.label == again.label

    def health(
        self,
        fingerprint: str,
        calibration: Calibration | None = None,
        *,
        verdicts: str | None = None,
        judged: Sequence[str | None] = (),
    ) -> JudgeHealth:
        """Return the figures and the state of the judge.

        Args:
            fingerprint: Digest of the metric's definition.
            calibration: Comparison of the judge with people; None if none exists.
            verdicts: Digest that the calibration must be of; default: the fingerprint.
            judged: The models that wrote the answers.
        """
        known = calibration_state(calibration, verdicts or fingerprint, self._labels)
        drift = drift_why(calibration, known, models=self._deciding, labels=self._labels)
        why = (*self._why(), *calibration_why(known), *drift)
        models = {model for model in (*self._models, *self._configured) if model}
        return JudgeHealth(
            model=", ".join(sorted(self._models or {*filter(None, self._configured)})) or None,
            fingerprint=fingerprint,
            rows=self._rows,
            calls=self._calls,
            valid_first=self._valid_first,
            repaired=self._repaired,
            unscored=dict(sorted(self._unscored.items())),
            labels=dict(sorted(self._labels.items())),
            unknown_rate=_share(self._unknown, self._votes),
            order_flip_rate=self._pairs.flip_rate,
            first_position_share=self._pairs.first_share,
            longer_won_share=self._pairs.longer_share,
            unquoted_share=self._claims.unquoted,
            claimless_share=self._claims.claimless,
            alpha=self._panel.alpha(),
            per_judge=self._panel.members(),
            retested=self._retested,
            retest_agreement=_share(self._same, self._retested),
            retest_msd=mean_of(self._squares),
            length_rho=self._length_rho(),
            mean_length=mean_of([length for length, _ in self._lengths]),
            notes=("same_family",) if families(models) & families(judged) else (),
            calibration=known,
            state="bad" if _BAD & {*why} else "warn" if why else "ok",
            why=why,
            usage=self._usage,
            cost_usd=add_costs(self._costs),
        )

    def _why(self) -> Iterator[str]:
        lost = sum(n for code, n in self._unscored.items() if _is_of_judge(code))
        if lost > _BAD_UNSCORED * self._rows:
            yield "unscored"
        if self._repaired > _MUCH_REPAIRED * self._rows:
            yield "repaired"
        if self._unknown > _MUCH_UNKNOWN * self._votes:
            yield "unknown"
        if (self._pairs.flip_rate or 0) > _MANY_FLIPS:
            yield "order_flips"
        if (self._claims.unquoted or 0) > _MANY_UNQUOTED:
            yield "unquoted"
        if (self._claims.claimless or 0) > _MANY_CLAIMLESS:
            yield "claimless"
        if self._same < _LITTLE_REPEATED * self._retested:
            yield "retest"
        alpha = self._panel.alpha()
        if alpha is not None and alpha < _LOW_ALPHA:
            yield "alpha"
        if self._rows and any(not member.votes for member in self._panel.members()):
            yield "silent"

    def _spend(self, score: Score) -> None:
        for vote in score.judge:
            self._calls += vote.calls
            if vote.calls and vote.model:
                self._models.add(vote.model)
                self._deciding |= {vote.model} if is_usable(vote) else set()
            self._usage = add_usage([self._usage, vote.usage])
        self._costs.append(score.cost_usd)

    def _length_rho(self) -> float | None:
        return spearman_rho(self._lengths) if len(self._lengths) >= _FEWEST_LENGTHS else None


def calibration_state(
    calibration: Calibration | None,
    fingerprint: str,
    labels: Mapping[str, int] | None = None,
) -> JudgeCalibration:
    """Return whether a calibration fits the judge at hand, with its figures.

    Args:
        calibration: The calibration; None if none exists.
        fingerprint: Digest of the metric's definition.
        labels: Rows of this run by the judge's label.
    """
    if calibration is None:
        return JudgeCalibration()
    if calibration.fingerprint != fingerprint:
        return JudgeCalibration(state="stale", date=calibration.calibrated_at)
    found = diagnosis_of(calibration)
    se, sp, j, error = found.sensitivity, found.specificity, found.youden, found.youden_error
    if calibration.weighted:
        se, sp = calibration.se, calibration.sp
        j = se + sp - 1 if se is not None and sp is not None else None
        error = _weighted_error(calibration)
    return JudgeCalibration(
        state="small" if found.is_small or j is None else "ok",
        n=calibration.n,
        positives=found.positives,
        negatives=found.negatives,
        kappa=calibration.kappa,
        se=se,
        sp=sp,
        j=j,
        j_error=error,
        date=calibration.calibrated_at,
        drift=total_variation(calibration.run_labels, labels or {}),
    )


def _weighted_error(calibration: Calibration) -> float | None:
    """Return the standard error of J, from the intervals of both weighted shares."""
    if calibration.se_ci95 is None or calibration.sp_ci95 is None:
        return None
    reach = 2 * normal_quantile(0.975)
    return math.hypot(
        *((high - low) / reach for low, high in (calibration.se_ci95, calibration.sp_ci95))
    )


def calibration_why(calibration: JudgeCalibration) -> tuple[str, ...]:
    """Return the codes by which a calibration makes a judge's health worse than ok."""
    if calibration.state != "ok" or calibration.j is None:
        return (f"calibration_{calibration.state}",)
    if calibration.j <= WEAK_J:
        return ("j_weak",)
    return ("j_low",) if calibration.j < LOW_J else ()


def drift_why(
    calibration: Calibration | None,
    state: JudgeCalibration,
    *,
    models: Collection[str],
    labels: Mapping[str, int],
) -> Iterator[str]:
    """Yield codes if this run differs so much from the calibrated one that its figures may not hold.

    Args:
        calibration: The calibration; None if none exists.
        state: Result of `calibration_state`; only a calibration in use can be out of date.
        models: The models that answered as judges in this run.
        labels: Rows of this run by the judge's label.
    """
    if calibration is None or state.state != "ok":
        return
    if calibration.models and not {*models} <= {*calibration.models}:
        yield "judge_model_changed"
    if has_shifted(calibration.run_labels, labels):
        yield "labels_shifted"


def diagnosis_of(calibration: Calibration) -> Diagnosis:
    """Return the four counts of a calibration."""
    found: Mapping[str, int] = {k: getattr(calibration, k) for k in ("tp", "fn", "tn", "fp")}
    return Diagnosis(**found)


def families(models: Sequence[str | None] | set[str]) -> set[str]:
    """Return the families of models: a name up to its first hyphen, without the maker before it."""
    names = (model.rpartition("/")[2].casefold() for model in models if model)
    return {family for name in names if (family := re.split(r"[-_:]", name, maxsplit=1)[0])}


def _is_valid_first(vote: JudgeVote) -> bool:
    return is_usable(vote) and not vote.repaired


def _label(score: Score) -> list[str]:
    if score.code == "judge_unknown":
        return ["UNKNOWN"]
    return [score.label] if score.label and score.status is ScoreStatus.SCORED else []


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _is_of_judge(code: str) -> bool:
    return code.startswith("judge_") and code != "judge_unknown"
