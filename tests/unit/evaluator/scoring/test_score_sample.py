"""One row, scored by every metric."""

from collections.abc import Callable
from typing import Any

import pytest
from evaluation import a_failure, a_run, a_sample

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.records.enums import MetricKind, RunStatus, ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import Passage, TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.errors import BackendError, ErrorKind
from lm_eval_so.evaluator.binding.bound import BoundMetric, parse_pass_if
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.text.wording import ExactMatch, KeywordCoverage
from lm_eval_so.evaluator.scoring.score_sample import score_row


class Given(Metric):
    """Gives what the test says."""

    give: Callable[[Metric, TestSample], Any]

    class Params(Metric.Params):
        note: str = ""

    def score(self, sample: TestSample, run: RunResult) -> Score:
        return self.give(self, sample)


def given(give: Callable[[Metric, TestSample], Any], **attributes: Any) -> Metric:
    metric = Given()
    metric.give = give  # of the instance, so it is not bound
    for name, value in attributes.items():
        setattr(metric, name, value)
    return metric


async def scored(
    metric: Metric, sample: TestSample | None = None, run: RunResult | None = None, **section: Any
) -> Score:
    sample, run = sample or a_sample(), run or a_run("답", repeat=2)
    bound = BoundMetric(
        metric=metric,
        section=MetricSection(name=metric.name, **section),
        passes=parse_pass_if(section["pass_if"]) if "pass_if" in section else None,
    )
    (score,) = await score_row([bound], sample, run, repeat=run.repeat)
    return score


async def test_score_row__completes_the_score() -> None:
    score = await scored(given(lambda m, s: m.make_score(s, value=0.25)))
    assert (score.metric, score.sample_id, score.repeat) == ("given", "s1", 2)
    assert (score.value, score.passed) == (0.25, None)


async def test_score_row__exception__costs_this_score_only() -> None:
    def fail(*_: object) -> None:
        raise KeyError("x")

    score = await scored(given(fail))
    assert (score.status, score.code) == (ScoreStatus.UNSCORED, "metric_error")
    assert score.reason == "KeyError: 'x'"


async def test_score_row__what_must_end_the_stage_is_raised() -> None:
    def refuse(*_: object) -> None:
        raise BackendError(ErrorKind.AUTH, "refused", retryable=False)

    with pytest.raises(BackendError):
        await scored(given(refuse))


@pytest.mark.parametrize(
    ("give", "code"),
    [
        (lambda m, s: None, "metric_error"),
        (lambda m, s: "1.0", "metric_error"),
        (lambda m, s: 1.5, "out_of_range"),
        (lambda m, s: float("nan"), "invalid_value"),
        (lambda m, s: 10**400, "metric_error"),
        (lambda m, s: m.make_score(s, value=float("nan")), "invalid_value"),
        (
            lambda m, s: Score(
                metric="x", sample_id="y", status=ScoreStatus.SCORED, value=float("inf")
            ),
            "invalid_value",
        ),
    ],
    ids=["none", "text", "too much", "nan", "huge", "nan in make_score", "inf in a Score"],
)
async def test_score_row__no_score__is_unscored(give: Callable[..., Any], code: str) -> None:
    score = await scored(given(give))
    assert (score.value, score.code, score.metric) == (None, code, "given")


@pytest.mark.parametrize("found", [True, 1, 1.0])
async def test_score_row__value_alone(found: float) -> None:
    score = await scored(given(lambda *_: found))
    assert (score.status, score.value, score.metric) == (ScoreStatus.SCORED, 1, "given")


def made(**fields: Any) -> Callable[..., Score]:
    given = {"metric": "x", "sample_id": "y", "status": ScoreStatus.SCORED, "value": 1.0}
    return lambda *_: Score(**{**given, **fields})


@pytest.mark.parametrize(
    ("fields", "code", "why"),
    [
        ({"value": 7.0}, "out_of_range", "7.0 is outside"),
        ({"value": "1"}, "metric_error", "TypeError"),
        ({"value": None}, "invalid_value", "the value is None"),
        ({"reason": 3}, "metric_error", "reason: input should be a valid string"),
        ({"label": 5}, "metric_error", "label: "),
        ({"details": {"x": {1, 2}}}, "metric_error", "details"),
        ({"details": {"x": float("nan")}}, "metric_error", "score() gave"),
        ({"reason": "\ud800"}, "metric_error", "score() gave"),
        ({"status": ScoreStatus.UNSCORED, "code": "mine"}, "mine", ""),
    ],
)
async def test_score_row__a_score_that_no_report_can_hold(
    fields: dict[str, Any], code: str, why: str
) -> None:
    score = await scored(given(made(**fields)))
    assert (score.status, score.value, score.code) == (ScoreStatus.UNSCORED, None, code)
    assert why in (score.reason or "")


async def test_score_row__a_status_as_text_is_taken() -> None:
    score = await scored(given(made(status="scored", value=1, details={"a": [1]})))
    assert (score.status, score.value, score.details) == (ScoreStatus.SCORED, 1.0, {"a": [1]})


async def test_score_row__a_long_exception_is_cut() -> None:
    def fail(*_: object) -> None:
        raise ValueError("한글 오류\n" * 500)

    reason = (await scored(given(fail))).reason or ""
    assert len(reason) <= 300
    assert reason.startswith("ValueError: 한글 오류 한글")
    assert reason.endswith(" …")


async def test_score_row__applies_fails__costs_this_score_only() -> None:
    def fail(_: TestSample) -> bool:
        raise RuntimeError("boom")

    score = await scored(given(lambda m, s: m.make_score(s, value=1), applies=fail))
    assert (score.status, score.code) == (ScoreStatus.UNSCORED, "metric_error")
    assert score.reason == "RuntimeError: boom"


async def test_score_row__async_score() -> None:
    async def give(metric: Metric, sample: TestSample) -> Score:
        return metric.make_score(sample, value=True)

    assert (await scored(given(give))).value == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (RunStatus.TIMEOUT, ErrorKind.TIMEOUT),
        (RunStatus.RATE_LIMITED, ErrorKind.RATE_LIMIT),
        (RunStatus.ERROR, ErrorKind.SERVER),
        (RunStatus.FILTERED, ErrorKind.FILTERED),
    ],
)
async def test_score_row__row_without_an_answer(status: RunStatus, kind: ErrorKind) -> None:
    run = a_run(None, **a_failure(status, kind, "it broke"))
    score = await scored(ExactMatch(), run=run)
    assert (score.value, score.code, score.reason) == (None, f"run_{status.value}", "it broke")
    bound = BoundMetric(metric=ExactMatch(), section=MetricSection(name="x"))
    assert not bound.is_asked(a_sample(), run)


async def test_score_row__row_that_the_run_does_not_have() -> None:
    bound = BoundMetric(metric=ExactMatch(), section=MetricSection(name="exact_match"))
    (score,) = await score_row([bound], a_sample(), None, repeat=1)
    assert (score.value, score.code, score.repeat) == (None, "run_missing", 1)
    (score,) = await score_row([bound], a_sample(expected=None), None, repeat=0)
    assert score.status is ScoreStatus.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("needs", "fields", "status"),
    [
        ("expected", {"expected": None}, ScoreStatus.NOT_APPLICABLE),
        ("expected", {"expected": None, "references": ("a",)}, ScoreStatus.SCORED),
        ("context", {}, ScoreStatus.NOT_APPLICABLE),
        (
            "context",
            {"context": (Passage(role="distractor", text="x"),)},
            ScoreStatus.NOT_APPLICABLE,
        ),
        ("context", {"context": (Passage(text="x"),)}, ScoreStatus.SCORED),
        ("scenario", {}, ScoreStatus.NOT_APPLICABLE),
        ("params.note", {}, ScoreStatus.NOT_APPLICABLE),
        ("params.note", {"metrics": {"given": {"note": "n"}}}, ScoreStatus.SCORED),
        ("judge", {}, ScoreStatus.SCORED),
    ],
)
async def test_score_row__what_the_sample_must_have(
    needs: str, fields: dict[str, Any], status: ScoreStatus
) -> None:
    metric = given(lambda m, s: m.make_score(s, value=1), requires=frozenset({needs}))
    assert (await scored(metric, a_sample(**fields))).status is status


async def test_score_row__sample_decides_before_the_answer() -> None:
    failed = a_run(None, **a_failure(RunStatus.TIMEOUT, ErrorKind.TIMEOUT, "late"))
    for run in (failed, a_run("답")):
        score = await scored(KeywordCoverage(), run=run)
        assert score.status is ScoreStatus.NOT_APPLICABLE


async def test_score_row__what_the_run_must_tell() -> None:
    metric = given(lambda m, s: m.make_score(s, value=1), requires=frozenset({"run.ttft_ms"}))
    assert (await scored(metric)).code == "not_reported"
    assert (await scored(metric, run=a_run("답", ttft_ms=3.0))).value == 1


@pytest.mark.parametrize(
    ("only", "status"),
    [
        ({"tags": ["refund", "x"]}, ScoreStatus.SCORED),
        ({"tags": ["x"]}, ScoreStatus.NOT_APPLICABLE),
        ({"language": ["ko"]}, ScoreStatus.SCORED),
        ({"language": ["en"]}, ScoreStatus.NOT_APPLICABLE),
        ({"tags": ["refund"], "language": ["en"]}, ScoreStatus.NOT_APPLICABLE),
    ],
)
async def test_score_row__only(only: dict[str, Any], status: ScoreStatus) -> None:
    sample = a_sample(tags=("refund",), language="ko")
    metric = given(lambda m, s: m.make_score(s, value=1))
    assert (await scored(metric, sample, only=only)).status is status


@pytest.mark.parametrize(
    ("pass_if", "value", "passed"),
    [
        (">= 0.8", 0.8, True),
        (">0.8", 0.8, False),
        ("<= 0.8", 0.9, False),
        (" < 0.8 ", 0.5, True),
        ("== 1", 1.0, True),
    ],
)
async def test_score_row__pass_if(pass_if: str, value: float, passed: bool) -> None:
    metric = given(lambda m, s: m.make_score(s, value=value, passed=not passed))
    assert (await scored(metric, pass_if=pass_if)).passed is passed


async def test_score_row__binary_passes_at_one() -> None:
    for value in (0, 1):
        metric = given(lambda m, s, v=value: m.make_score(s, value=v), kind=MetricKind.BINARY)
        assert (await scored(metric)).passed is (value == 1)


@pytest.mark.parametrize("text", ["0.8", "about 1", ">= 1.2.3", ">="])
def test_parse_pass_if__refuses_what_is_no_comparison(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_pass_if(text)
