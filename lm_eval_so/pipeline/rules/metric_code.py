"""Code of a user's own metrics and judges that is not main's any more: what they say cannot be compared then.

A metric's `version` tells the same at a desk, where its author raises it. Nobody need do so to be judged
less strictly, so on a pull request the code itself counts: the file of the class, those of the classes
that it derives from, that of the function of `python`, and files that the options of a judge name. What
these import is not looked at.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from lm_eval_so.core import git
from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.config.places import ReadFile, read_if_there
from lm_eval_so.core.hashing import digest, digest_bytes
from lm_eval_so.core.records.report import MetricSummary
from lm_eval_so.evaluator.metrics.base import metrics
from lm_eval_so.evaluator.own_code import functions_of

_LONGEST_NAME = 200


def changed_code(
    sections: Iterable[MetricSection], read: ReadFile, *, folder: Path
) -> dict[str, tuple[Path, str]]:
    """Return the metrics whose code, or that of their judges, differs from that of the base commit, by id.

    Args:
        sections: Metrics that can be made.
        read: Reader of files of the base commit.
        folder: A folder of the checkout; code that is in no commit is not the pull
            request's.

    Returns:
        The first file that differs, and a digest of it.
    """
    found: dict[str, tuple[Path, str]] = {}
    here = {commit for commit in (git.head(folder),) if commit}
    for section in sections:
        for file in _files(section, folder):
            before, now = read(file), read_if_there(file)
            is_installed = before is None and not git.is_committed(file, here)
            if now is not None and now != before and not is_installed:
                found.setdefault(section.id, (file, digest_bytes(now)))
    return found


def with_code(
    summaries: Mapping[str, MetricSummary], code: Mapping[str, tuple[Path, str]]
) -> dict[str, MetricSummary]:
    """Return metrics of a report; those of changed code are other ones than before.

    Args:
        summaries: Metrics by id.
        code: Metrics whose code differs, as of `changed_code`.
    """
    return {
        key: replace(
            summary,
            fingerprint=digest([summary.fingerprint, code[key][1]]),
            definition={**summary.definition, "code": code[key][1]},
        )
        if key in code
        else summary
        for key, summary in summaries.items()
    }


def _files(section: MetricSection, folder: Path) -> Iterator[Path]:
    """Yield the files in the repository around a folder that a metric and its judges are made of."""
    place = git.named_place(folder.absolute() / "x")
    kinds: list[type] = []
    if not metrics.is_builtin(section.name):
        kinds += metrics.resolve(section.name).__mro__
    for judge in section.judges:
        if not backends.is_builtin(judge.name):
            kinds += backends.resolve(judge.name).__mro__
    of_judges = (name for judge in section.judges for name in _names(judge.options))
    named = (*of_judges, *(name for each in functions_of(section) for name in _names(each)))
    for file in (*_files_of(kinds), *(folder.absolute() / name for name in named)):
        if place is not None and file.is_relative_to(place.top.absolute()) and file.is_file():
            yield file


def _files_of(kinds: Iterable[type]) -> Iterator[Path]:
    for kind in kinds:
        try:
            yield Path(inspect.getfile(kind)).absolute()
        except (OSError, TypeError):  # built into Python
            continue


def _names(value: JsonValue) -> Iterator[str]:
    """Yield the words of options that may name a file: as of `python judge.py`, `judge.py:ask` or `my judge.jsonl`."""
    if isinstance(value, str):
        words = {value.replace("\0", ""), *re.split(r"[\s:\0]+", value)}
        yield from (word for word in words if 0 < len(word) <= _LONGEST_NAME)
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _names(each)
