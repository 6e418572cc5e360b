"""The surroundings of `ci`: a local machine or an event of GitHub, the reason to skip it, the rules of its base."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lm_eval_so.action.event import Activity, find_activity, plain_suite_id, read_event
from lm_eval_so.action.github.connection import open_github
from lm_eval_so.action.inputs import BaselineSource, Inputs, MissingSecrets, read_inputs
from lm_eval_so.action.outputs import Outputs
from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.backends.config_secrets import missing_variables
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Listener, ignore
from lm_eval_so.pipeline.base.base_commit import Connect, TrustedBase, find_trusted_base, not_before
from lm_eval_so.pipeline.base.stored_reports import Store
from lm_eval_so.pipeline.check import refuse_rules
from lm_eval_so.pipeline.github.baseline_place import Wanted, as_checked_out, find_place
from lm_eval_so.pipeline.github.step_outputs import write_to
from lm_eval_so.pipeline.github.unloaded_config import ConfigSource
from lm_eval_so.pipeline.rules.take_rules import Rules, take_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything outside of the config that `ci` depends on."""

    environ: Mapping[str, str] = field(repr=False)
    activity: Activity
    inputs: Inputs | None
    """Inputs of the workflow's step; null outside GitHub."""
    workspace: Path
    """Root of the checkout."""
    source: ConfigSource | None = None
    """Everything that the config is read from; null: main's configuration plays no part."""
    _bases: dict[Path, TrustedBase] = field(default_factory=dict, init=False, repr=False)
    """Base commits that were found, by folder."""

    @property
    def connect(self) -> Connect | None:
        """Connection to GitHub; None outside of it, and without a token."""
        activity, inputs = self.activity, self.inputs
        token = inputs and (inputs.secrets.github_token or self.environ.get("GITHUB_TOKEN"))
        if not token or not activity.repository:
            return None
        api_url = activity.workflow.api_url
        return partial(open_github, activity.repository, token=token, api_url=api_url)

    def suite_id(self, suite: str) -> str:
        """Return the identity that comments and baselines of a suite have."""
        given = self.inputs.suite_id if self.inputs else None
        return plain_suite_id(given or self.activity.suite_id(suite))

    def base(self, folder: Path) -> TrustedBase:
        """Find the base commit of the event for a folder of the checkout, once for all who ask."""
        if folder not in self._bases:
            self._bases[folder] = self._found(folder)
        return self._bases[folder]

    def _found(self, folder: Path) -> TrustedBase:
        found = find_trusted_base(self.activity, cwd=folder, connect=self.connect)
        if self.source is None:
            return found
        file = self.source.file
        return not_before(found, file, self.activity, cwd=folder, connect=self.connect)

    @property
    def may_run_code(self) -> bool:
        """Whether the config's own code may run before it is known that the event is not skipped."""
        if self.inputs is None:
            return True
        is_skipped = self.activity.skip or self._lacks_keys_by_right
        return self.inputs.secrets.own_code and not is_skipped

    def skip_reason(self, config: Config) -> str | None:
        """Return the reason to measure nothing; None if there is work, as always outside GitHub."""
        if self.inputs is None or self.activity.skip:
            return self.activity.skip
        if not self._lacks_keys_by_right:
            return None
        missing = missing_variables(config, self.environ)
        if missing:
            return (
                f"{' and '.join(missing)} is empty: a fork's or Dependabot's event gets no secrets"
            )
        known = backends.names()
        own = sorted({each.name for _, each in config.backend_sections() if each.name not in known})
        if own:  # without its code nobody can tell, and a fork's is not run for that
            names = " and ".join(own)
            return f"the keys of {names} are known to its own code alone, which is a fork's"
        return None

    @property
    def _lacks_keys_by_right(self) -> bool:
        """Whether the event gets no secrets, and is to be skipped for that."""
        is_skipped = self.inputs and self.inputs.secrets.on_missing is MissingSecrets.SKIP
        return self.activity.is_foreign and bool(is_skipped)


def read_surroundings(environ: dict[str, str]) -> Surroundings:
    """Read inputs and event; on GitHub the outputs say `error` until there is a result.

    Raises:
        UsageError: If an input is bad or the event is not supported.
    """
    workspace = Path(environ.get("GITHUB_WORKSPACE") or Path.cwd())
    inputs = None
    if environ.get("GITHUB_ACTIONS") == "true":
        write_to(environ, Outputs())
        inputs = read_inputs(environ, workspace=workspace)
        key = inputs.secrets.openai_api_key
        if key and not environ.get("OPENAI_API_KEY"):
            environ = {**environ, "OPENAI_API_KEY": key}
    activity = as_checked_out(find_activity(environ, read_event(environ)), cwd=workspace)
    return Surroundings(environ=environ, activity=activity, inputs=inputs, workspace=workspace)


def find_rules(
    config: Config, around: Surroundings, *, baseline: Path | None = None
) -> Rules | None:
    """Find the rules of the base commit, which decide on a pull request and on a merge group.

    On main itself and at a desk a config's own rules hold.

    Args:
        config: The config that is proposed, without problems, its plugins loaded.
        around: The surroundings.
        baseline: The report that the command line names.

    Returns:
        None if the config's own rules hold, and nobody need know why.

    Raises:
        ConfigError: If main's rules cannot be followed here; lists every problem.
    """
    activity, inputs = around.activity, around.inputs
    if around.source is None or inputs is None or not activity.is_proposal:
        return None
    base = around.base(config.folder)
    is_scored = inputs.matrix.shard is None  # who only asks a shard needs no judge
    rules = take_rules(config, around.source, base.files, why=base.why, scores=is_scored)
    if rules is None or rules.config is config:
        return rules
    refuse_rules(rules.config, around.environ, scores=is_scored)
    if rules.config.baseline == config.baseline:
        return rules
    wanted = wanted_baseline(config, around, base, baseline, ignore)
    return replace(rules, own_place=find_place(config, activity, base, wanted))


def wanted_baseline(
    config: Config, around: Surroundings, base: TrustedBase, explicit: Path | None, tell: Listener
) -> Wanted:
    """Return the baseline that the inputs of the workflow want.

    Args:
        config: The config.
        around: The surroundings, on GitHub.
        base: The base commit.
        explicit: Report that the command line names.
        tell: Listener.
    """
    inputs, activity = around.inputs, around.activity
    if inputs is None:
        return Wanted(explicit=explicit)
    given, branch = inputs.baseline, activity.base.ref
    workflow = given.workflow or activity.workflow.file
    stored = None
    if around.connect and base.commit and branch and workflow:
        stored = Store(
            connect=around.connect,
            workflow=workflow,
            branch=branch,
            artifact=config.baseline.artifact_name(config.suite),
            base=base.commit,
            max_ancestors=given.max_ancestors,
            is_named=given.source is BaselineSource.ARTIFACT,
            tell=tell,
        ).find
    return Wanted(explicit=explicit or given.report, source=given.source, stored=stored)
