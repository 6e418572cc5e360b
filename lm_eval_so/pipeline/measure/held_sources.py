"""The dataset before anything is asked: made if wanted, held against its sources, with all cases of main."""

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from lm_eval_so.core import git
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import METADATA_FILE
from lm_eval_so.core.events import Listener, Noticed, ignore
from lm_eval_so.core.records.staleness import Staleness
from lm_eval_so.core.text import nfc
from lm_eval_so.core.words import counted
from lm_eval_so.errors import InputError, LMEvalError
from lm_eval_so.generator.generate import generate
from lm_eval_so.generator.source_problems import files_outside
from lm_eval_so.generator.staleness.find_stale import find_stale
from lm_eval_so.pipeline.measure.plan import Plan, SourceCheck
from lm_eval_so.pipeline.rules.case_list import find_cases, write_cases

_STAGE = "generate"
_ASK = "ci"


def prepare_dataset(config: Config, resources: Resources, plan: Plan) -> Staleness | None:
    """Make the dataset if the plan wants it, and return its tests that no longer fit their sources.

    Args:
        config: The config.
        resources: Resources of the command; only the listener is used.
        plan: The plan.

    Raises:
        LMEvalError: As `generate` does, or a source leads out of the workspace; no run fails because of tests that
            do not fit.
    """
    if plan.make_dataset:
        _refuse_links(config, plan.sources)
        generate(config, resources)
    return held_against_sources(config, resources.listener, plan.sources)


def with_cases(config: Config, tell: Listener, plan: Plan, folder: Path) -> tuple[Config, Plan]:
    """Return config and plan with the test cases of main that a pull request deletes, or takes from its rules.

    Args:
        config: The config.
        tell: Listener.
        plan: The plan.
        folder: Folder of a dataset that has them all; written only if it is needed.

    Raises:
        DatasetError: If the dataset cannot be used.
    """
    rules = plan.rules
    if rules is None or rules.cases_of_main is None:
        return config, plan
    found = find_cases(config, rules.cases_of_main)
    if found is None:
        return config, plan
    cases, lines = found
    plan = replace(plan, rules=replace(rules, cases=cases))
    if not cases.are_put_back:
        return config, plan
    if n := len(cases.deleted):
        text = f"{counted(n, 'case')} of main that this pull request deletes: asked all the same"
        tell(Noticed(stage=_ASK, text=text))
    if plan.control is not None:
        given = config.resolve(config.dataset.path)
        plan = replace(plan, control=replace(plan.control, dataset=given))
    return write_cases(lines, config, folder), plan


def held_against_sources(
    config: Config, listener: Listener, check: SourceCheck | None
) -> Staleness | None:
    """Return the tests that no longer fit their sources, each with whether the pull request is why.

    None if all fit, if `generate` did not make the dataset, or if its sources cannot be read, which is told.

    Args:
        config: The config.
        listener: Listener of the stage.
        check: Terms; None: nothing is looked at.
    """
    metadata = config.resolve(config.dataset.path) / METADATA_FILE
    if check is None or not config.sources or not metadata.is_file():
        return None
    try:
        found = _find(config, check)
    except LMEvalError as error:  # no run fails for the sake of this
        why = "; ".join(problem.what for problem in error.problems)
        text = f"the tests were not held against their sources: {why}"
        listener(Noticed(stage=_STAGE, text=text))
        return None
    stale = tuple(test for test in found.tests if test.is_stale)
    if not config.report.keeps_texts:
        stale = tuple(test.without_texts() for test in stale)
    return replace(found, tests=stale) if stale else None


def _refuse_links(config: Config, check: SourceCheck | None) -> None:
    """Refuse sources outside of the workspace, as a link that is committed would bring them into tests and comment."""
    workspace = check.workspace if check else None
    if workspace is not None and (outside := files_outside(config, workspace)):
        raise InputError(f"{outside[0].name} leads out of the workspace")


def _find(config: Config, check: SourceCheck) -> Staleness:
    _refuse_links(config, check)
    found = find_stale(config, ignore)
    if check.base is None:
        return found
    base = git.merge_base(check.base, "HEAD", cwd=config.folder)
    changed = git.changed_files(base, cwd=config.folder) if base else None
    return found if changed is None else _with_origin(found, changed, config.folder.resolve())


def _with_origin(found: Staleness, changed: Collection[Path], folder: Path) -> Staleness:
    """Return a record whose tests tell whether their file is among those that were changed."""
    names = {nfc(str(path)) for path in changed}

    def is_changed(file: str) -> bool:
        return nfc(os.path.normpath(folder / file)) in names

    tests = (replace(test, in_pull_request=is_changed(test.file)) for test in found.tests)
    return replace(found, tests=tuple(tests))
