"""How a judge did as an instrument."""

from collections import Counter

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.report import JudgeHealth
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.usage import add_costs, add_usage

_BAD_UNSCORED = 0.05
_MUCH_REPAIRED = 0.05
_MUCH_UNKNOWN = 0.10


class JudgeTally:
    """Counts what a judge said, whatever the order of rows.

    Args:
        model: The model as configured.
    """

    def __init__(self, model: str | None) -> None:
        self._model = model
        self._models: set[str] = set()
        self._rows = 0
        self._calls = 0
        self._valid_first = 0
        self._repaired = 0
        self._flagged = 0
        self._unscored: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._costs: list[float | None] = []
        self._usage = Usage()

    @property
    def costs(self) -> list[float | None]:
        """What each row cost that was judged by a call."""
        return self._costs

    def add(self, score: Score) -> None:
        """Count a row."""
        if score.status is ScoreStatus.UNSCORED:
            self._unscored[score.code or "unscored"] += 1
        vote = score.judge
        if vote is None or not vote.calls:  # an empty answer is judged without asking
            return
        self._rows += 1
        self._calls += vote.calls
        self._models |= {vote.model} if vote.model else set()
        self._labels.update([vote.label] if vote.label else [])
        self._valid_first += vote.label is not None and vote.calls == 1
        self._repaired += vote.repaired
        self._flagged += "flags" in score.details
        self._usage = add_usage([self._usage, vote.usage])
        self._costs.append(score.cost_usd)

    def health(self, fingerprint: str) -> JudgeHealth:
        """Give the figures and what they say of the judge.

        Args:
            fingerprint: Digest of the metric's definition.
        """
        lost = sum(n for code, n in self._unscored.items() if _is_of_judge(code))
        is_bad = lost > _BAD_UNSCORED * self._rows
        why = ["unscored"] if is_bad else []
        if self._repaired > _MUCH_REPAIRED * self._rows:
            why.append("repaired")
        if self._unscored["judge_unknown"] > _MUCH_UNKNOWN * self._rows:
            why.append("unknown")
        return JudgeHealth(
            model=", ".join(sorted(self._models)) or self._model,
            fingerprint=fingerprint,
            rows=self._rows,
            calls=self._calls,
            valid_first=self._valid_first,
            repaired=self._repaired,
            unscored=dict(sorted(self._unscored.items())),
            labels=dict(sorted(self._labels.items())),
            injection_flags=self._flagged,
            calibration="none",
            state="bad" if is_bad else "warn",  # nobody has held it against people's labels
            why=(*why, "calibration_none"),
            usage=self._usage,
            cost_usd=add_costs(self._costs),
        )


def _is_of_judge(code: str) -> bool:
    return code.startswith("judge_") and code != "judge_unknown"
