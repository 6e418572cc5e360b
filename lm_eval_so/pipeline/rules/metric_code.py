"""Code of a user's own metrics that is not main's any more: what they measure cannot be compared then.

A metric's `version` tells the same at a desk, where its author raises it. Nobody need do so to be judged
less strictly, so on a pull request the code itself counts: the file of the class, and those of the classes
that it derives from. What these import is not looked at.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lm_eval_so.core import git
from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.config.places import ReadFile, read_if_there
from lm_eval_so.core.hashing import digest, digest_bytes
from lm_eval_so.core.records.report import MetricSummary
from lm_eval_so.evaluator.metrics.base import metrics


def changed_code(
    sections: Iterable[MetricSection], read: ReadFile, *, folder: Path
) -> dict[str, tuple[Path, str]]:
    """Return the metrics whose code differs from that of the base commit, by id.

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
        for file in () if metrics.is_builtin(section.name) else _files(section.name, folder):
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


def _files(name: str, folder: Path) -> Iterator[Path]:
    """Yield the files of a metric's classes in the repository around a folder."""
    top = git.named_place(folder.absolute() / "x")
    for kind in metrics.resolve(name).__mro__:
        try:
            file = Path(inspect.getfile(kind)).absolute()
        except (OSError, TypeError):  # built into Python
            continue
        if top is not None and file.is_relative_to(top.top.absolute()):
            yield file
