"""The plan of a measurement: folders, baseline and subject."""

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from lm_eval_so.comparator.baseline.find import AS_CONFIGURED, Place, find_anchor, find_baseline
from lm_eval_so.comparator.terms import Anchor
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Listener, Noticed
from lm_eval_so.core.records.comparison import BaselineRef, ForecastNote
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import fewest_answers, read_report
from lm_eval_so.errors import InputError, UsageError, refuse
from lm_eval_so.evaluator.binding.baseline_answers import baseline_problems, needs_baseline
from lm_eval_so.evaluator.evaluate import Origin
from lm_eval_so.pipeline.control import ControlSource, Decided, decide
from lm_eval_so.pipeline.rules.take_rules import Rules
from lm_eval_so.pipeline.rules.two_views import seen_by_main
from lm_eval_so.runner.run import RunOptions, Shard, run_folder

__all__ = [
    "AskedPart",
    "Baseline",
    "Decided",
    "Origin",
    "Place",
    "Plan",
    "Rules",
    "SourceCheck",
    "again_folder",
    "asked_config",
    "cases_folder",
    "find_first",
    "how_to_name_one",
    "main_folder",
    "makes_baseline",
    "own_baseline",
    "read_baseline",
    "run_folder",
    "take_baseline",
    "take_report",
    "tell_how_to_begin",
    "wanted_baseline",
    "with_main",
]


_CASES = Path(".lm-eval-so/cases")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A baseline that was looked for."""

    report: EvaluationReport | None
    """The report; null if there is none."""
    ref: BaselineRef
    """Source of the report, or the reason why there is none."""
    main: Decided | None = None
    """Decision on main's configuration today; null if it plays no part."""
    anchor: Anchor | None = None
    """A second report to compare with; None if the config names none."""
    accepted: bytes | None = None
    """Main's accept file, empty if it has none; None where nothing is proposed."""
    rules: Rules | None = None
    """Rules of the base; None: the config's own hold."""

    def seen(self, report: EvaluationReport) -> EvaluationReport:
        """Return a report without the cases and metrics that the deciding rules do not know."""
        return seen_by_main(self.rules, report)

    def gate(self, gate: GateSection) -> GateSection:
        """Return a gate with metrics that gate and cannot be measured here: they are incomparable."""
        known = self.report.metrics if self.report and self.rules else {}
        lost = {
            key: each
            for key, each in (self.rules.lost if self.rules else {}).items()
            if key in known
        }
        if not lost or gate.metrics is None:  # without names all that the baseline has gate
            return gate
        return gate.model_copy(update={"metrics": {**gate.metrics, **lost}})

    @classmethod
    def none(cls) -> Self:
        """Return that there is no baseline, or that nothing asks for it."""
        return cls(report=None, ref=BaselineRef(source="none"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCheck:
    """Terms of holding tests against their sources."""

    base: str | None = None
    """Base commit of the pull request; None if there is none, or git does not know it."""
    workspace: Path | None = None
    """Folder that no source may lead out of; None: sources may be anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPart:
    """Part of the answers of a measurement that a run asks."""

    whole: Config | None = None
    """Config of the measurement, where a run asks only the first of its rounds."""
    goes_on: bool = False
    """Whether rounds of the run have been asked by this process."""
    shard: Shard | None = None
    """Shard of the dataset that is asked; None: the whole."""
    folders: tuple[Path, ...] | None = None
    """Folders of shards that other jobs asked, taken in the place of asking; None: all is asked here."""

    @property
    def stages(self) -> frozenset[Literal["run", "evaluate"]]:
        """Stages that are gone through here."""
        if self.shard is not None:
            return frozenset({"run"})
        return frozenset({"evaluate"} if self.folders is not None else {"run", "evaluate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Folders of a measurement, and the baseline that it is compared with."""

    run: Path
    """Folder of the run."""
    reports: Path
    """Folder of reports."""
    make_dataset: bool = False
    """Make the dataset first."""
    fresh: bool = False
    """Put an earlier run in that folder aside, even one that was begun for this verdict."""
    baseline: Place = AS_CONFIGURED
    """Place of the baseline."""
    anchor: Place | None = None
    """Place of the anchor; None: that of the baseline."""
    may_be_baseline: bool = True
    """Whether the report may become a baseline, if it is complete and did not get worse."""
    makes_baseline: Literal["never", "if_missing", "always"] = "never"
    """Condition under which the run is to be the baseline, and asks `baseline.repeats` times."""
    origin: Origin = field(default_factory=Origin)
    """Identity of the measured code, as the report records it."""
    forecast: ForecastNote | None = None
    """A forecast of this gate; None if there is none that fits."""
    control: ControlSource | None = None
    """Everything that main's config is read from; null: it plays no part."""
    sources: SourceCheck | None = None
    """Terms of holding tests against their sources; None: they are not."""
    rules: Rules | None = None
    """Rules of the base; None: the config's own hold."""
    part: AskedPart = field(default_factory=AskedPart)
    """Part of the answers that is asked here."""

    @property
    def run_options(self) -> RunOptions:
        """Options of the stage `run`."""
        part, goes_on = self.part, self.part.goes_on
        fresh = self.fresh and not goes_on
        return RunOptions(
            out=self.run, fresh=fresh, of=part.whole, goes_on=goes_on, shard=part.shard
        )


def again_folder(run: Path) -> Path:
    """Return the folder of further answers: beside the run's, so that none of its rows changes."""
    return _beside(run, "again")


def cases_folder(config: Config) -> Path:
    """Return the folder of a dataset that has main's cases, too; the same in all jobs of a matrix."""
    return config.resolve(_CASES / config.suite)


def main_folder(run: Path) -> Path:
    """Return the folder of the answers of main's configuration, beside the run's."""
    return _beside(run, "main")


def _beside(run: Path, name: str) -> Path:
    folder = run if run.name not in {"", ".."} else run.resolve()
    return folder.with_name(f"{folder.name}-{name}")


def read_baseline(
    config: Config,
    place: Place = AS_CONFIGURED,
    *,
    anchor: Place | None = None,
    is_demanded: bool = False,
) -> Baseline:
    """Read the baseline, and the anchor if the config names one.

    Args:
        config: Config of the suite.
        place: Place of the baseline, over the config's.
        anchor: Place of the anchor; default: that of the baseline.
        is_demanded: Whether a missing baseline is an error under `gate.on_missing_baseline: fail`.

    Raises:
        InputError: As of `find_baseline`.
        NoBaseline: If it is demanded and there is none.
    """
    report, ref = find_baseline(config, place, is_demanded=is_demanded)
    return Baseline(report=report, ref=ref, anchor=_anchor(config, anchor or place))


def find_first(config: Config, plan: Plan) -> Baseline:
    """Read the baseline before anything is asked: one that is demanded and missing must not cost a run.

    Args:
        config: Config of the suite.
        plan: The plan.

    Raises:
        InputError: As of `find_baseline`, or if a metric needs answers that it does not have.
        NoBaseline: If it is demanded and there is none.
    """
    found = read_baseline(config, plan.baseline, anchor=plan.anchor, is_demanded=True)
    refuse([*baseline_problems(config, found.report)])
    accepted = plan.control.accepted if plan.control else None
    return replace(found, rules=plan.rules, accepted=accepted)


def answers_of_baseline(config: Config) -> int:
    """Return the answers to each sample in the baseline at hand; 0 without one that can be read."""
    try:
        report = read_baseline(config).report
    except InputError:
        return 0
    if report is None or report.experiment.suite != config.suite:
        return 0
    return fewest_answers(report)


def _anchor(config: Config, place: Place) -> Anchor | None:
    found = find_anchor(config, place)
    return None if found is None else Anchor(report=found[0], ref=found[1])


def makes_baseline(plan: Plan, baseline: Baseline) -> bool:
    """Return whether a run is to be the baseline; one that stopped when it was good would be lucky."""
    if plan.makes_baseline == "if_missing":
        return baseline.report is None and baseline.ref.reason is None
    return plan.makes_baseline == "always"


def asked_config(config: Config, plan: Plan, baseline: Baseline) -> Config:
    """Return the config as a plan asks: `baseline.repeats` answers if the run is to be the baseline."""
    if config.baseline_repeats == config.run.repeats or not makes_baseline(plan, baseline):
        return config
    return config.with_repeats(config.baseline_repeats)


def own_baseline(plan: Plan, baseline: Baseline) -> Baseline:
    """Return the baseline by a pull request's own rules: at the base, too, but where it names it.

    Args:
        plan: The plan.
        baseline: The baseline by the rules that decide.
    """
    rules = plan.rules
    if rules is None or rules.own_place is None:
        return replace(baseline, rules=None)
    try:
        own = read_baseline(rules.head, rules.own_place)
    except InputError:
        own = Baseline.none()
    return replace(own, main=baseline.main)


def how_to_name_one(config: Config) -> str:
    """Return the advice to name a baseline in the config."""
    return f"name a file of the repository, as baseline: {{path: baselines/{config.suite}.json}}"


def tell_how_to_begin(report: EvaluationReport, config: Config, plan: Plan, tell: Listener) -> None:
    """Tell what makes a first baseline.

    Args:
        report: The measured report; only an eligible one is taken as a baseline.
        config: The config.
        plan: The plan that was measured.
        tell: Listener.
    """
    if plan.makes_baseline == "always":  # then it says so itself
        return
    how = _how_to_begin(report, config, plan)
    tell(Noticed(stage="compare", text=f"no baseline yet: {how}"))


def _how_to_begin(report: EvaluationReport, config: Config, plan: Plan) -> str:
    if config.baseline.path is None:
        return how_to_name_one(config)
    if not plan.may_be_baseline:
        kept = config.resolve(config.baseline.path)
        return f"keep {plan.reports / 'report.json'} as {kept} to compare with it"
    if not report.experiment.eligible:
        return "a report can become one if its run is complete and the gate lets it through"
    file = config.located.file or CONFIG_FILE.name
    named = [] if file == CONFIG_FILE.name else ["-c", file]
    words = ["lm-eval-so", "baseline", "update", str(plan.reports), *named, "--reason", "TEXT"]
    return f"{shlex.join(words)} takes this report as one"


def with_main(baseline: Baseline, config: Config, plan: Plan, report: EvaluationReport) -> Baseline:
    """Return a baseline with the decision on main's configuration, if it may play a part.

    Args:
        baseline: The baseline.
        config: The config.
        plan: The plan.
        report: The report under test.
    """
    if baseline.report is None or plan.control is None:
        return baseline
    main = decide(config, plan.control, baseline.seen(report), baseline.report)
    return replace(baseline, main=main)


def take_report(given: EvaluationReport | Path) -> EvaluationReport:
    """Return a report that is given by itself or by its file.

    Raises:
        InputError: If the file cannot be read.
    """
    return given if isinstance(given, EvaluationReport) else read_report(given)


def take_baseline(
    config: Config | None, given: EvaluationReport | Path | None, *, ref: str | None = None
) -> Baseline:
    """Return a baseline that is given by itself, or that of a config.

    Args:
        config: The config, where there is one.
        given: The report or its file; it wins over the config's.
        ref: Git revision to read the config's file from.

    Raises:
        UsageError: If neither names a baseline.
        InputError: If the baseline cannot be read.
    """
    if isinstance(given, EvaluationReport):
        anchor = _anchor(config, Place(ref=ref)) if config else None
        return Baseline(report=given, ref=BaselineRef(source="file"), anchor=anchor)
    if config is not None:
        return read_baseline(config, Place(report=given, ref=ref))
    if given is None:
        raise UsageError("compare needs a baseline, or a config that names one")
    return Baseline(report=read_report(given), ref=BaselineRef(source="file", path=str(given)))


def wanted_baseline(config: Config) -> EvaluationReport | None:
    """Return the config's baseline if a metric compares answers with it; None if there is none yet.

    Raises:
        InputError: If it cannot be read.
    """
    return find_baseline(config)[0] if needs_baseline(config) else None
