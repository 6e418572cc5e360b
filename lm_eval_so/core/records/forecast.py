"""`lm-eval-so/forecast/1`: what a gate does if nothing changes, and if some answers break."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from lm_eval_so.core.records.gate_plan import GatePlan
from lm_eval_so.core.records.record import record

Share = tuple[float, float]
"""Range of a share, 5th to 95th percentile."""
OptionName = Literal["as_is", "baseline", "these", "questions", "without_noisy", "margin"]
CaseState = Literal["fails", "named"]
Source = Literal["split", "split_questions", "formula", "assumed"]


@record
class KnownAnswers:
    """Answers that a forecast rests on, each asked anew."""

    k_min: int
    """Fewest answers to a sample."""
    k_median: float
    runs: int
    """Runs that they are from."""
    days: tuple[str, ...]
    """Days on which they were asked, UTC."""


@record
class ForecastGate:
    """The gate that is forecast."""

    metrics: tuple[str, ...]
    """Deciding metrics; answers break by the first of them."""
    margin: float | None
    """Margin of the first metric, in score units; null if none has a margin and a closed range."""
    k_b: int
    """Answers to a sample in the baseline."""
    k_c: int
    """Answers to a sample in a run."""
    claim: str


@record
class ForecastScenario:
    """Shares of runs by verdict, if some answers break."""

    broken: int
    """Answers that break, of one to each sample."""
    of: int
    """Samples that the first metric applies to."""
    drop: float
    """True fall of the mean, in score units."""
    passes: Annotated[float, Field(alias="pass")]
    inconclusive: float
    fails: Annotated[float, Field(alias="fail")]
    ranges: Mapping[Literal["pass", "fail"], Share]


@record
class NoisePart:
    """A part of the noise, with an interval of 90 %."""

    value: float
    """Share of answers that flip when asked again; of scores twice their variance."""
    low: float
    high: float


@record
class MetricNoise:
    """Noise of one metric: the difference of answers to one question."""

    metric: str
    is_share: bool
    """Whether the metric says right or wrong, so that values are shares of answers that flip."""
    total: NoisePart
    chatbot: NoisePart | None = None
    """Null if the judge's own noise is not known: it takes `judge.retest` of 50."""
    judge: NoisePart | None = None
    between_days: float | None = None
    """Difference of answers of different days, beyond that of answers of one day; null if not known."""
    half_by: tuple[str, ...] | None = None
    """Fewest samples that make half of it; null below 5 answers each, which do not tell."""


@record
class ForecastOption:
    """The gate under another setting."""

    name: OptionName
    value: float | None = None
    """Answers, samples or margin of the setting."""
    passes: Annotated[float, Field(alias="pass")]
    """Share of runs that pass if nothing changed."""
    detect: float
    """Share of runs that fail if twice the margin is lost."""
    requests_run: int
    """Requests of a run."""
    requests_merge: int
    """Further requests when a baseline is made."""
    usd: float | None
    """Price of a run in US dollars; null if not known."""
    source: Source


@record
class Forecast:
    """`forecast.json`: the plan of a gate, and its forecast where enough answers are known."""

    schema: Literal["lm-eval-so/forecast/1"] = "lm-eval-so/forecast/1"
    suite: str
    n: int
    """Samples."""
    groups: int | None
    """Groups; null if all samples stand alone."""
    answers: KnownAnswers
    gate: ForecastGate
    source: Source
    """split: known answers, split at random; split_questions: samples drawn anew in every trial, since
    only one answer for each side is known; formula and assumed: the plan alone."""
    trials: int = 0
    """Trials behind each scenario; ranges rest on redrawn test sets."""
    seed: int = 0
    scenarios: tuple[ForecastScenario, ...] = ()
    """Nothing changes; as many answers break as make the margin; twice as many."""
    case: CaseState | None = None
    """Whether a case that was always right and breaks for good fails a run by itself, or is named
    alone; null if no case is watched."""
    case_repeats: int | None = None
    """Fewest answers of a baseline with which such a case fails a run; null if no number does."""
    noise: tuple[MetricNoise, ...] = ()
    options: tuple[ForecastOption, ...] = ()
    suggestion: OptionName | None = None
    """Cheapest option that passes and finds in 80 % of runs, else the best affordable one."""
    plan: GatePlan | None = None
    """Plan of the gate by formulas; null if no metric decides by a margin."""
    missing: int = 0
    """Requests of `forecast --ask` for a forecast by known answers."""
    fits: str = ""
    """Digest of chatbot, metrics, dataset and gate: another one has another forecast."""
    left_out: tuple[str, ...] = ()
    """Deciding metrics that hold an answer against others, so that answers cannot be split."""
