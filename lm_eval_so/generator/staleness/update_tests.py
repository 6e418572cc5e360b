"""`generate --update`: tests whose documents changed get the quotes and, where need be, the answers of today."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import ignore
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.generator.dataset.make import Generated, rehearse
from lm_eval_so.generator.dataset.make_samples import is_unanswered, renewed_sample
from lm_eval_so.generator.dataset.stored import WRITE, read_stored
from lm_eval_so.generator.generate import Edits, open_dataset, write_dataset
from lm_eval_so.generator.outcomes import notice
from lm_eval_so.generator.staleness.against_documents import HeldPassage, Sources, worst_of
from lm_eval_so.generator.staleness.outdated import moved, outdated
from lm_eval_so.generator.writing.renew import Renewals, Renewed, ToRenew, renew_tests

REASONS = {"gone": "evidence_gone", "answerable": "answerable_after_all"}
"""Reasons in rejected.jsonl of tests that are taken out, by what became of them."""
_FATES = ("moved", "holds", "new_answer", "gone", "answerable", "scenario")


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """Result of `generate --update`."""

    generated: Generated
    counts: Mapping[str, int]
    """Tests by what became of them: moved (to another place), holds, new_answer, gone, answerable, or the reason of
    failure; scenario: conversations to play, which are not renewed."""


async def update_tests(
    config: Config,
    resources: Resources,
    *,
    out: Path | None = None,
    edits: Edits = Edits.REFUSE,
    offline: bool = False,
) -> Updated:
    """Renew the tests whose documents changed, and write the dataset; all other tests keep every byte.

    Quotes that stand get their places of today. About the others a model is asked. If it says that the answer
    still holds, and the rules find that the new quotes prove as much, only the quotes change. Else the test gets
    its new answer, which nobody has reviewed; or it is taken out, if no passage answers it.

    Args:
        config: The config, with a model in its `generator` section.
        resources: Resources of the command.
        out: Folder of the dataset; default: dataset.path.
        edits: Fate of imported samples that were edited by hand.
        offline: Whether only the cache is asked.

    Raises:
        LMEvalError: As `generate_with_model` does; what was renewed before is kept.
    """
    parts = open_dataset(config, resources.listener, out, edits)
    stored = read_stored(parts.folder)
    sources = Sources(parts.writing.documents, stored)
    held = {sample.id: sources.passages(sample) for sample in stored.samples}
    stale = [sample for sample in stored.samples if _is_stale(held[sample.id])]
    answered = [sample for sample in stale if sample.expected is not None]
    old = [outdated(sample, held[sample.id], sources) for sample in answered]
    rehearse(config, ignore, parts, edits)
    wanted = ToRenew(
        tests=old,
        documents=sources.documents,
        unanswerable=[outdated(s, (), sources) for s in stored.samples if is_unanswered(s)],
        new_documents=sources.new_documents,
    )
    renewals = await renew_tests(config, resources, wanted, offline=offline)
    is_worth_keeping = any(each.state != "failed" for each in renewals.tests.values())
    if renewals.results.failure is not None and not is_worth_keeping:
        raise renewals.results.failure
    changes = _changes(stored.samples, held, renewals, sources)
    thrown = [
        _thrown(sample, held[sample.id], renewals.tests[sample.id])
        for sample in stored.samples
        if changes.get(sample.id, sample) is None
    ]
    counts = _counts(changes, renewals)
    if left := len(stale) - len(answered):
        counts["scenario"] = left  # what its user wants may have changed, too
    for name, n in counts.items():
        code = f"became_{name if name in _FATES else 'failed'}"
        resources.listener(notice(config.language, code, n=n, reason=name))
    if not counts:
        resources.listener(notice(config.language, "none_renewed"))
    parts.writing.renew(changes, thrown, is_held=renewals.results.failure is None)
    generated = write_dataset(config, resources, parts, renewals.results, edits)
    if renewals.results.failure is not None:
        raise renewals.results.failure
    return Updated(generated=generated, counts=counts)


def _counts(changes: Mapping[str, TestSample | None], renewals: Renewals) -> dict[str, int]:
    found: Counter[str] = Counter()
    found["moved"] = len(changes.keys() - renewals.tests.keys())
    for state in _FATES[1:-1]:
        found[state] = sum(each.state == state for each in renewals.tests.values())
    reasons = Counter(each.reason for each in renewals.tests.values() if each.state == "failed")
    return {name: n for name, n in {**found, **dict(sorted(reasons.items()))}.items() if n}


def _is_stale(passages: Sequence[HeldPassage]) -> bool:
    worst = worst_of(passages)
    return worst is not None and worst.held.state != "same"


def _changes(
    samples: Sequence[TestSample],
    held: Mapping[str, Sequence[HeldPassage]],
    renewals: Renewals,
    sources: Sources,
) -> dict[str, TestSample | None]:
    """Return the tests that change, by id; None is one that is taken out."""
    changes: dict[str, TestSample | None] = {}
    for sample in samples:
        passages = held[sample.id]
        if _is_stale(passages) or is_unanswered(sample):
            new = _renewed(sample, renewals.tests.get(sample.id))
        else:
            new = moved(sample, passages, sources) if passages else sample
        if new is not sample:
            changes[sample.id] = new
    return changes


def _renewed(sample: TestSample, renewed: Renewed | None) -> TestSample | None:
    """Return the sample of a test that a model was asked about; itself if that was in vain."""
    if renewed is not None and renewed.state in REASONS:
        return None
    if renewed is None or renewed.draft is None:
        return sample
    is_new = renewed.state == "new_answer"
    return renewed_sample(sample, renewed.draft, (renewed.model or "") if is_new else None)


def _thrown(
    sample: TestSample, passages: Sequence[HeldPassage], renewed: Renewed
) -> dict[str, Any]:
    """Return the line of rejected.jsonl of a test that is taken out."""
    worst = worst_of(passages)
    place = " › ".join(filter(None, (worst.file, worst.heading))) if worst else ""
    line = {
        "stage": WRITE,
        "reason": REASONS[renewed.state],
        "id": sample.id,
        "type": sample.metadata.get("type"),
        "place": place,
        "what": worst.passage.text if worst else renewed.reason,
        "question": sample.question,
    }
    return {name: value for name, value in line.items() if value}
