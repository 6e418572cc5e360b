"""Us or the model: whether main's configuration can be asked today, and with which config.

What decides this is never what a pull request brings: main's config is read from the base commit, and
`gate.control`, `gate.control_url` of it count. It is asked only where no change of the repository can
be what answers: at a provider's own address, or at the address that main itself names.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lm_eval_so.core import git
from lm_eval_so.core.asking.open import backend_problems
from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.backends.build import make_backend, section_path, with_path
from lm_eval_so.core.backends.config_secrets import config_redactor
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.dataset import METADATA_FILE, SAMPLES_FILE
from lm_eval_so.core.events import Event, Noticed
from lm_eval_so.core.git import CommitFiles
from lm_eval_so.core.records.comparison import Comparison, Control, Reason
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.templates.safe import one_line
from lm_eval_so.errors import LMEvalError, Problem, refuse
from lm_eval_so.evaluator.own_code import find_own_code
from lm_eval_so.pipeline.rules.base_config import (
    LONGEST_PROBLEM,
    RefusedError,
    read_base_config,
)
from lm_eval_so.runner.plan.selection import backend_section

if TYPE_CHECKING:
    from lm_eval_so.core.http.hosts import AllowedHosts

_SENT = ("backend", "system", "tools", "tool_choice")
"""Sections that decide what a chatbot is sent, beside `run`."""
_LIMITS = frozenset(
    {
        *("out", "cache", "concurrency", "max_cost_usd", "max_requests", "max_time_s"),
        *("max_requests_per_s", "max_tokens_per_min", "keep_raw", "drain_s", "repeats"),
    }
)
"""Keys of `run` that decide how much is asked, and not what or how."""
_ADVICE = (
    "pull requests ask the chatbot at one address; if main's is deployed at another, name that by"
    " gate.control_url, so that no pull request is blamed for what changed there, too"
)
_WORKFLOWS = Path(".github/workflows")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSource:
    """Everything that main's config is read from."""

    file: Path
    """The config file in the checkout."""
    environ: Mapping[str, str] = field(repr=False)
    overrides: Sequence[str] = ()
    """`--set` texts, over the file."""
    rewritten: Sequence[str] = ()
    """Texts put over the file that derive from it."""
    plugins: Sequence[Path] = ()
    """Plugin files of the command line."""
    hosts: "AllowedHosts | None" = None
    """Hosts that may be asked; null: any."""
    base: CommitFiles | None
    """The base commit; null if there is none that a pull request cannot have chosen."""
    why: Reason | None = None
    """Reason why git does not have it."""
    is_scheduled: bool = False
    """Whether main is compared with its own baseline, on a schedule or on demand."""
    dataset: Path | None = None
    """The dataset in the checkout, if another one is asked that has main's cases, too."""
    accepted: bytes | None = None
    """Main's accept file, empty if main has none or is not known; None where nothing is proposed."""
    last: Comparison | None = None
    """The last such comparison; None if there is none, or this is one."""

    @property
    def commit(self) -> str | None:
        """Id of the base commit."""
        return self.base.commit if self.base else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Decision on main's configuration."""

    control: Control
    config: Config | None = None
    """Main's configuration, to ask; null unless it can be asked."""
    redactor: Redactor = field(default_factory=Redactor)
    """Takes the secrets of main's configuration out of texts."""


def decide(
    config: Config, source: ControlSource, report: EvaluationReport, baseline: EvaluationReport
) -> Decided | None:
    """Decide whether main's configuration can be asked today, or why it need not or cannot be.

    Args:
        config: The config under test.
        source: Everything that main's config is read from.
        report: Report under test.
        baseline: The baseline.

    Returns:
        None if it plays no part: it is switched off, there is no main outside of git, or main itself is measured
        and was changed.
    """
    if source.is_scheduled:
        if not _is_unchanged(config, source, report, baseline):
            return None
        served = _served(config, source, report, baseline)
        control = Control(state="unchanged", commit=source.commit, served=served)
        return Decided(control=control)
    try:
        return _decide(config, source, report, baseline)
    except RefusedError as refused:
        # main's own gate alone switches it off, but where nothing can be asked this one hides why
        if config.gate.control == "off":
            return None
        if refused.why.code == "no_repository" and not source.environ.get("GITHUB_ACTIONS"):
            return None  # files of one's own, which have no main
        control = Control(state="not_possible", why=refused.why, commit=source.commit)
        return Decided(control=control)


def _no(code: str, **figures: str) -> RefusedError:
    return RefusedError(Reason(code=code, figures=dict(figures)))


def _decide(
    config: Config, source: ControlSource, report: EvaluationReport, baseline: EvaluationReport
) -> Decided | None:
    base, unknown = source.base, source.why or Reason(code="base_unknown")
    if base is None:
        raise RefusedError(unknown)
    commit, main = base.commit, read_base_config(source, base)
    if main.gate.control == "off":
        return None
    changed = git.changed_files(commit, cwd=source.file.parent)
    if changed is None:
        raise RefusedError(unknown)
    runs_code = _runs_code(source, config, main)
    if runs_code and not changed <= _data_files(main, source.file):
        raise _no("own_code")
    dataset = source.dataset or config.resolve(config.dataset.path)
    try:
        asked = _asked(main)
        is_hosted = all(_is_hosted(each, main, source.environ) for each in asked)
        for file in _files(asked, main):
            if any(
                each in changed for name in git.names_of(file) for each in (name, *name.parents)
            ):
                raise _no("own_file", file=file.name)
        is_told = runs_code or not is_hosted  # a sample's facts, which are no part of its `rev`
        if is_told and not _keeps_facts(dataset, base, changed):
            raise _no("own_facts")
        if is_hosted and _sends_the_same(config, main):
            now, before = (each.experiment.fingerprints.get("run") for each in (report, baseline))
            control = Control(
                state="nothing_differs",
                commit=commit,
                stale=None not in {now, before} and now != before,
                served=_served(config, source, report, baseline),
            )
            return Decided(control=control)
        if not is_hosted:
            main = _at_control_url(main, source.environ)
        main = _as_asked(main, config)
        for each in _asked(main):
            refuse(backend_problems(each, config=main, environ=source.environ, hosts=source.hosts))
    except (LMEvalError, OSError, ValueError) as error:
        redactor = config_redactor(main, source.environ, runs_code=False)
        raise _no(
            "failed", problem=one_line(redactor.redact(str(error)), LONGEST_PROBLEM)
        ) from None
    redactor = config_redactor(main, source.environ, runs_code=True)
    control = Control(state="asked", commit=commit)
    return Decided(control=control, config=main, redactor=redactor)


def _asked(config: Config) -> list[BackendSection]:
    """Return the sections that `run` asks: the chatbot, and a simulated user.

    Raises:
        ConfigError: If there is no chatbot.
    """
    simulator = config.run.simulator
    return [backend_section(config), *([simulator.backend] if simulator else [])]


def _is_hosted(section: BackendSection, config: Config, environ: Mapping[str, str]) -> bool:
    """Return whether a provider's model answers; code that the config names is not run for that."""
    if not backends.is_builtin(section.name):
        return False
    at = section_path(section, config)
    return make_backend(section, config=config, where_path=at, environ=environ).is_hosted


def _runs_code(source: ControlSource, *configs: Config) -> bool:
    """Return whether code of the user's own runs here: plugins, functions, commands."""
    return bool(source.plugins) or any(any(find_own_code(config)) for config in configs)


def _data_files(main: Config, file: Path) -> frozenset[Path]:
    """Return the files that a pull request may change although code runs here: none that code reads."""
    dataset = main.resolve(main.dataset.path)
    is_file = dataset.suffix == Path(SAMPLES_FILE).suffix
    samples = [dataset] if is_file else [dataset / SAMPLES_FILE, dataset / METADATA_FILE]
    return frozenset(each.resolve() for each in (file, *samples, *_kept_files(main)))


def _keeps_facts(path: Path, base: CommitFiles, changed: frozenset[Path]) -> bool:
    """Return whether samples that stay have the tags and metadata that they have in a commit.

    A chatbot of one's own and a metric may be told these; a sample is paired without them.
    """
    file = path / SAMPLES_FILE if path.is_dir() else path
    before = base.read(file)
    if before is None:
        return False
    if file.resolve() not in changed:
        return True
    old, new = _facts(before), _facts(file.read_bytes())
    return all(new[name] == facts for name, facts in old.items() if name in new)


def _facts(dataset: bytes) -> dict[str, tuple[object, object]]:
    """Return tags and metadata of samples by id.

    Raises:
        ValueError: If a line is no JSON object.
    """
    samples = [
        json.loads(line) for line in dataset.decode("utf-8-sig").splitlines() if line.strip()
    ]
    if not all(isinstance(sample, dict) for sample in samples):
        raise ValueError("the dataset of the base commit is none")
    return {str(each.get("id")): (each.get("tags"), each.get("metadata")) for each in samples}


def _kept_files(config: Config) -> Iterator[Path]:
    """Yield the files beside the chatbot: the baseline, the anchor, and the exceptions."""
    anchor = Path(config.baseline.anchor) if config.baseline.anchor else None
    for path in (config.baseline.path, anchor, config.gate.quarantine, config.gate.accept):
        if path is not None:
            yield config.resolve(path)


def _files(sections: Sequence[BackendSection], config: Config) -> Iterator[Path]:
    """Yield the files that options name: keys, headers, authorities, a proxy."""
    for section in sections:
        backend = make_backend(
            section, config=config, where_path=section_path(section, config), environ={}
        )
        for value in dict(backend.options).values():
            inner = value.values() if isinstance(value, Mapping) else (value,)
            yield from (config.folder / each for each in inner if isinstance(each, Path))


def _sends_the_same(config: Config, main: Config) -> bool:
    """Return whether both configs ask a chatbot in the same way, and judge it in the same way."""
    if any(getattr(config, key) != getattr(main, key) for key in _SENT):
        return False
    if config.run.model_dump(exclude=set(_LIMITS)) != main.run.model_dump(exclude=set(_LIMITS)):
        return False
    now = [each.model_dump() for each in config.metrics]
    return all(each.model_dump() in now for each in main.metrics)


def _at_control_url(main: Config, environ: Mapping[str, str]) -> Config:
    """Put main's own address in place of the chatbot's."""
    section, url = backend_section(main), main.gate.control_url
    if url is None or not all(_is_hosted(each, main, environ) for each in _asked(main)[1:]):
        raise _no("own_address")
    option = backends.resolve(section.name).address_option
    if not option:
        raise _no("no_address", name=section.name)
    return main.model_copy(update={"backend": _with_address(section, option, url)})


def _with_address(section: BackendSection, option: str, url: str) -> BackendSection:
    """Put an address in place of a section's own; an origin alone keeps what stands behind it."""
    address = section.options.get(option)
    target = with_path(url, address if isinstance(address, str) else "")
    return section.model_copy(update={"options": {**section.options, option: target}})


def _as_asked(main: Config, config: Config) -> Config:
    """Put dataset, metrics and gate of the config under test over main's, and the limits of its run.

    How main is asked (time limits, the simulated user) stays its own: else a change of these would
    make both fail.
    """
    limits = {key: getattr(config.run, key) for key in _LIMITS}
    run = main.run.model_copy(update={**limits, "executor": "live"})
    over = {key: getattr(config, key) for key in ("dataset", "metrics", "gate", "report")}
    return main.model_copy(update={**over, "run": run})


def _is_unchanged(
    config: Config, source: ControlSource, report: EvaluationReport, baseline: EvaluationReport
) -> bool:
    """Return whether nobody here changed the chatbot since the baseline, whatever its answers."""
    now, before = report.experiment.fingerprints, baseline.experiment.fingerprints
    if now.get("run") is None or now.get("run") != before.get("run"):
        return False
    try:
        is_hosted = all(_is_hosted(each, config, source.environ) for each in _asked(config))
        if is_hosted and not _runs_code(source, config):
            return now.get("reach") == before.get("reach")
        commit = baseline.experiment.commit
        changed = git.changed_files(commit, cwd=source.file.parent) if commit else None
    except LMEvalError:
        return False
    if changed is None:
        return False
    return changed <= _data_files(config, source.file) - {source.file.resolve()}


def _served(
    config: Config, source: ControlSource, report: EvaluationReport, baseline: EvaluationReport
) -> tuple[str, str] | None:
    """Return the models that answered by their own names, (baseline, now), if they differ."""
    before, now = (each.experiment.backend.models_answered for each in (baseline, report))
    if not before or not now or set(before) == set(now):
        return None
    redactor = config_redactor(config, source.environ, runs_code=True)
    names = [one_line(redactor.redact(", ".join(each)), LONGEST_PROBLEM) for each in (before, now)]
    return names[0], names[1]


def control_problems(config: Config) -> Iterator[Problem]:
    """Find what is wrong with the address of main's deployment, long before it is asked.

    Args:
        config: The valid part of a config.
    """
    section, url = config.backend, config.gate.control_url
    if section is None or url is None or not backends.is_builtin(section.name):
        return
    option = backends.resolve(section.name).address_option
    if not option:
        return
    own = {each.what for each in backend_problems(section, config=config, environ=None)}
    other = _with_address(section, option, url)
    for each in backend_problems(other, config=config, environ=None):
        if each.what not in own:
            yield replace(each, where=config.where("gate", "control_url"))


def control_hint(config: Config, environ: Mapping[str, str]) -> Iterator[Event]:
    """Tell where `gate.control_url` would help: workflows, and a chatbot of one's own with baseline and address.

    Args:
        config: A config without problems, its plugins loaded.
        environ: Environment variables.
    """
    gate, section = config.gate, backend_section(config)
    is_off = gate.control == "off" or gate.broken == "off" or config.baseline.path is None
    if is_off or gate.control_url or not backends.resolve(section.name).address_option:
        return
    folder = config.folder.absolute()
    has_workflows = any((each / _WORKFLOWS).is_dir() for each in (folder, *folder.parents))
    if has_workflows and not _is_hosted(section, config, environ):
        yield Noticed(stage="check", text=_ADVICE)
