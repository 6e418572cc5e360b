"""Tests of a dataset held against their sources as they are now."""

import tempfile
from dataclasses import replace
from pathlib import Path

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Listener
from lm_eval_so.core.records.enums import Behavior
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.staleness import Staleness, StaleTest
from lm_eval_so.generator.dataset.make import make_parts
from lm_eval_so.generator.dataset.stored import read_stored
from lm_eval_so.generator.generate import open_dataset
from lm_eval_so.generator.staleness.against_documents import Sources, worst_of
from lm_eval_so.generator.staleness.hold_rows import as_told, hold_rows
from lm_eval_so.generator.writing.likeness import key

_MOST = 600
"""Characters of a text that the record keeps."""


def find_stale(config: Config, listener: Listener, *, out: Path | None = None) -> Staleness:
    """Return which tests of the dataset no longer fit its sources; nothing is asked or written.

    Tests that quote documents are held against these; the others against what the sources give now, by id.

    Args:
        config: The config, with a `generator` section.
        listener: Listener of the stage.
        out: Folder of the dataset; default: dataset.path.

    Raises:
        LMEvalError: As `generate` does, but for edits by hand, which make a test differ.
    """
    parts = open_dataset(config, listener, out)
    stored = read_stored(parts.folder)
    sources = Sources(parts.writing.documents, stored)
    quoting = (*stored.samples, *stored.twins)
    written = tuple(_held(sample, sources) for sample in quoting)
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as made:
        make_parts(config, listener, Path(made), parts, parts.writing.by_rule())
        standing, rows = hold_rows(parts.folder, Path(made))
    return Staleness(
        dataset=stored.info.name if stored.info else parts.folder.name,
        is_made=stored.info is not None,
        of=len(written) + standing,
        tests=(*written, *rows),
        new_passages=sources.new_passages() if written else 0,
        unanswerable=sum(s.behavior is Behavior.ABSTAIN for s in quoting),
    )


def _held(sample: TestSample, sources: Sources) -> StaleTest:
    """Return a test held against the documents, by the worst of its passages."""
    told = replace(as_told(sample, "document"), state="same")
    worst = worst_of(sources.passages(sample))
    if worst is None:
        return told
    held, expected = worst.held, key(sample.expected or "")
    told = replace(told, state=held.state, file=worst.file, heading=worst.heading)
    if held.state == "same":
        return told
    return replace(
        told,
        old=held.old[:_MOST],
        new=held.new and held.new[:_MOST],
        numbers=held.numbers,
        still_says=tuple(old for old, _ in held.numbers if old and key(old) in expected),
    )
