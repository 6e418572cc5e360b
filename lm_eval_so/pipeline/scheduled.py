"""The last scheduled comparison of main with its own baseline: kept, and quoted to a pull request."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed
from lm_eval_so.core.files import keep_out_of_git, read_text, write_atomic
from lm_eval_so.core.records.changes import MainFell
from lm_eval_so.core.records.codec import dump_document, loads, to_json
from lm_eval_so.core.records.comparison import Comparison, Control
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.words import say
from lm_eval_so.core.words.verdict_names import figures_of
from lm_eval_so.errors import LMEvalError, Where

SCHEDULED = Path(".lm-eval-so/main/comparison.json")
"""File of the last scheduled comparison, beside the config."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def keep_scheduled(comparison: Comparison, config: Config, redactor: Redactor) -> Path:
    """Write a scheduled comparison where the run of a pull request finds it, and return the file."""
    file = config.resolve(SCHEDULED)
    keep_out_of_git(file.parent)
    write_atomic(file, dump_document(redactor.redact_json(to_json(comparison))))
    return file


def last_scheduled(file: Path) -> Comparison | None:
    """Return the last scheduled comparison; None if there is none that can be read."""
    if not file.is_file():
        return None
    try:
        return loads(read_text(file), Comparison, where=Where(file=str(file)))
    except LMEvalError:  # no verdict fails for the sake of a quotation
        return None


def quote_main(comparison: Comparison, last: Comparison, *, language: Language) -> Comparison:
    """Return a comparison that says whether main itself got worse since the same baseline.

    Verdict and exit code stay: what is quoted is another run, of another day.

    Args:
        comparison: Comparison of a pull request.
        last: The last scheduled comparison of main.
        language: Language of the sentence.
    """
    fell = _fall_of_main(comparison, last)
    if fell is None:
        return comparison

    def with_fall(text: str, language: Language) -> str:
        shown = figures_of(comparison, None, language)[fell.metric]
        figures = {"d": shown.size(fell.drop), "day": fell.day}
        return f"{text} {say('control.main_fell', language, figures)}".strip()

    def others(texts: Mapping[str, str]) -> dict[str, str]:
        return {key: with_fall(text, Language(key)) for key, text in texts.items()}

    broken = comparison.broken
    return replace(
        comparison,
        control=replace(comparison.control or Control(state="quoted"), main_fell=fell),
        sentence=with_fall(comparison.sentence, language),
        sentence_in=others(comparison.sentence_in),
        broken=broken
        and replace(broken, mean=with_fall(broken.mean, language), mean_in=others(broken.mean_in)),
    )


def note_drift(
    comparison: Comparison, config: Config, resources: Resources, *, kept: bool, reports: Path
) -> None:
    """Keep a scheduled comparison of main for pull requests, and tell what to do if main got worse.

    Args:
        comparison: The comparison.
        config: The config.
        resources: Redactor and listener.
        kept: Whether the comparison is a scheduled one of main.
        reports: Folder of the reports.
    """
    if kept:
        keep_scheduled(comparison, config, resources.redactor)
    if not comparison.has_drifted:
        return
    file = config.located.file or CONFIG_FILE.name
    words = ["lm-eval-so", "baseline", "update", str(reports), "-c", file, "--force"]
    command = shlex.join([*words, "--reason", "provider moved"])
    text = say("control.refresh", config.language, {"command": command})
    resources.listener(Noticed(stage="compare", text=text))


def _fall_of_main(comparison: Comparison, last: Comparison) -> MainFell | None:
    """Return the fall of main in a metric that is worse now, since the baseline of both."""
    ours, theirs = comparison.baseline, last.baseline
    is_same = ours.evaluated_at is not None and (ours.commit, ours.evaluated_at) == (
        theirs.commit,
        theirs.evaluated_at,
    )
    day = last.compared_at[: len("2026-01-31")]
    if not (is_same and last.has_drifted and _DAY.fullmatch(day)):
        return None
    for metric, now in comparison.metrics.items():
        then = last.metrics.get(metric)
        if now.verdict is not Verdict.REGRESSION or then is None:
            continue
        if then.reason == "provider_moved" and then.delta is not None and then.delta < 0:
            return MainFell(metric=metric, drop=-then.delta, day=day)
    return None
