"""Sections of the gate: limits of metrics, required cases, and the rules by which a change fails."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from lm_eval_so.core.config.section import Section
from lm_eval_so.core.records.enums import Claim, Policy


class GateMetricSection(Section):
    """Limits of one gating metric."""

    margin: float | None = Field(default=None, gt=0)
    """Largest true fall that is accepted, in score units."""
    min: float | None = None
    """Lowest mean that is accepted."""
    max: float | None = None
    """Highest mean that is accepted."""
    rule: Literal["point", "bound"] = "point"
    """Whether the mean or its 95 % bound is compared with min and max."""
    max_increase: float | None = Field(default=None, gt=0)
    """Largest true increase of a cost, latency or token count; 0.10 is 10 %."""
    statistic: Literal["mean", "p50", "p95"] = "mean"
    """Statistic of a cost, latency or token count to compare."""


class MustSection(Section):
    """Required cases: samples with a tag, which must be right in any case."""

    tag: str = "must"
    """Tag of required samples."""
    right: int = Field(default=1, ge=1, le=20)
    """Right answers that a required sample needs."""
    of: int = Field(default=3, ge=1, le=20)
    """Answers in which it needs them; asked only while it is undecided."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.right > self.of:
            raise ValueError(f"{self.right} right answers cannot be among {self.of}")
        return self


class GateSection(Section):
    """Rules by which a change fails."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """One-sided error rate."""
    claim: Claim = Claim.LIKE_THESE
    """Subject of a verdict: like_these, all questions of this kind; these, the questions of the dataset
    alone. these needs two answers to each question on both sides, counts each of them, and excludes
    confirm."""
    stop: Literal["never", "pass", "decided"] = "never"
    """Condition under which `ci` stops asking before `run.repeats`: it asks the dataset once a round, and
    looks from the second on. pass: every gating metric passes; decided: a regression is proven, too.
    Needs claim: these, run.repeats of 2 or more, and executor: live. A run that makes a baseline never
    stops early."""
    rules: Literal["base", "head", "strict"] = "base"
    """Rules that decide on a pull request, as the base commit has this key. base: those of the base commit
    (suite, gate, metrics, baseline, repeats and budgets of run, quarantine, test cases), while accept entries of the pull request
    count; strict: these do not count either; head: those that the pull request brings."""
    on_inconclusive: Policy = Policy.WARN
    """fail exits 3; warn exits 0 with a warning, pass without."""
    on_missing_baseline: Policy = Policy.WARN
    """fail exits 3 before anything is asked; warn exits 0 with a warning, pass without."""
    on_incomparable: Literal[Policy.WARN, Policy.FAIL] = Policy.FAIL
    """fail exits 3, warn exits 0 with a warning."""
    confirm: int = Field(default=0, ge=0, le=20)
    """Number of times that `ci` asks each changed sample again before a regression counts; `compare`
    alone cannot ask."""
    broken: Literal["off", "warn", "fail", "strict"] = "fail"
    """Cases that were right and stay wrong when `ci` asks them again: fail exits 1 if a case is proven
    to have broken or a required one fails, strict also if the baseline has too few answers to prove
    it, warn only names them, off asks nothing."""
    must: MustSection | None = Field(default_factory=MustSection)
    """Required cases; null: none."""
    control: Literal["cases", "off"] = "cases"
    """Whether `ci` also asks main's configuration about cases that stay wrong, where that is possible:
    if it fails today as well, the provider changed. This key and the next are read from the base commit."""
    control_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    """Address of main's deployment, for a chatbot of your own: another address may be that of the pull
    request's code, so main's configuration is not asked there."""
    on_drift: Literal[Policy.WARN, Policy.FAIL] = Policy.WARN
    """Effect of a drop in a scheduled comparison of main with its own baseline, if nobody here changed
    the chatbot: fail exits 1, warn exits 0 with a warning."""
    quarantine: Path = Path(".lm-eval-so/quarantine.yaml")
    """File of known flaky samples, each with a reason and a date: reported, not gating."""
    accept: Path = Path(".lm-eval-so/accept.yaml")
    """File of changes accepted on purpose, each with a reason, a date and the largest drop."""
    metrics: dict[str, GateMetricSection] | None = None
    """Gating metrics, by id; the others are reported. Without it every binary and bounded metric gates
    with its default margin, except measures of wording (token_f1, char_f1, rouge_l, bleu, chrf,
    edit_similarity, embedding_similarity), since other words are not wrong."""
