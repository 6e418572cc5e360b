"""The plan of a gate: what it can prove and find, before anything is asked; a part of `forecast.json`."""

from typing import Literal

from lm_eval_so.core.records.enums import Claim, Direction, MetricKind
from lm_eval_so.core.records.record import record


@record
class PlanRow:
    """The gate with some number of answers to each sample."""

    repeats: int
    """Answers to each sample in a run."""
    baseline_repeats: int
    """Answers to each sample in the baseline."""
    claim: Claim
    """Samples that the verdict is about."""
    provable_margin: float | None
    """Smallest margin, in score units, that an unchanged chatbot passes with 80 % chance; null if it
    passes none."""
    detectable_drop: float | None
    """Smallest true drop that fails with 80 % chance; null if none does."""
    requests: int
    """Answers of a run."""
    usd: float | None
    """Price of them in US dollars; null if no earlier answer has a known price."""
    is_configured: bool
    """Whether that is the gate as the config and the baseline have it."""


@record
class PlanNeeds:
    """Samples and answers that prove the margin."""

    n: int | None
    """Samples, with the answers to each as configured, for a verdict about samples like these; null
    where no number is enough."""
    least_n: int | None
    """Samples below which no pass is possible, even if no answer ever differs."""
    repeats: int
    """Answers to each sample on both sides, for a verdict about these samples alone."""


@record
class GatePlan:
    """Plan of the gate by the metric that has the most to prove."""

    metric: str
    """Of several deciding metrics the one that proves least of its margin."""
    kind: MetricKind
    direction: Direction
    width: float
    """Highest minus lowest possible score."""
    margin: float
    """Largest accepted drop, in score units."""
    n: int
    """Samples that the metric applies to."""
    groups: int | None
    """Groups that they come in; null if all stand alone."""
    flips: float | None
    """Share of the samples whose answer differs between two runs of the same chatbot; null for scores."""
    deviation: float | None
    """Standard deviation of the difference of two scores of one sample; null for right or wrong."""
    source: Literal["baseline", "report", "comparison", "assumed"]
    """Evidence for that: several answers of the baseline or of the last report, the last
    comparison, or nothing."""
    answers: int | None
    """Answers to each sample that it was measured by; null if a comparison or nothing tells it."""
    price_per_sample: float | None
    """Price of one answer in US dollars, judges included; null if not known."""
    rows: tuple[PlanRow, ...]
    """By answers to each sample, ascending."""
    needed: PlanNeeds
