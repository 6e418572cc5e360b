"""A dataset written anew after a review: what `generate` would make of it without asking a model."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lm_eval_so.core.events import ignore
from lm_eval_so.core.records.dataset import PlanInfo, SourceInfo
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.generator.dataset.freeze import (
    counted,
    digest_of,
    publish,
    write_metadata,
    write_outcomes,
)
from lm_eval_so.generator.dataset.make_samples import in_order, type_of
from lm_eval_so.generator.dataset.stored import (
    METRICS_FILE,
    FromDocuments,
    is_written,
    read_rejected,
    read_stored,
)
from lm_eval_so.generator.outcomes import Tally
from lm_eval_so.generator.review.decisions import Decisions
from lm_eval_so.generator.sources.base import Reason
from lm_eval_so.generator.twins.make_twins import (
    in_order_of_kinds,
    is_twin,
    judged_as,
    kinds_of,
)
from lm_eval_so.generator.writing.write import NOT_ASKED


def as_decided(samples: Sequence[TestSample], decisions: Decisions) -> list[TestSample]:
    """Return the tests that are left, in the order in which `generate` writes them.

    A twin goes with its base, and is judged as its base is, unless people edited it.
    """
    left = [*decisions.all_decided(each for each in samples if not is_twin(each))]
    written = [each for each in left if is_written(each)]
    bases = {each.id: each for each in left}
    standing = decisions.all_decided(filter(is_twin, samples))
    twins = [
        judged_as(twin, bases[twin.relation.base])
        for twin in standing
        if twin.relation and twin.relation.base in bases and twin.id not in bases
    ]
    return [
        *(each for each in left if not is_written(each)),
        *in_order(written, tuple(dict.fromkeys(map(type_of, written)))),
        *in_order_of_kinds(decisions.all_decided(twins)),
    ]


def publish_reviewed(
    folder: Path, samples: Sequence[TestSample], decisions: Decisions
) -> tuple[int, tuple[Path, ...]]:
    """Write the files of a dataset; return how many tests `generate` would ask a model for, and the files.

    Raises:
        InputError: If the folder cannot be read or written to.
    """
    tally = Tally(ignore, Language.EN)
    lines = [*decisions.reject_lines(read_rejected(folder))]
    stored = read_stored(folder)
    assert stored.info is not None  # noqa: S101 - a dataset of `generate`
    info = stored.info
    added = FromDocuments(samples=samples, tries=lines, documents=stored.documents)
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as name:
        made = Path(name)
        files = write_outcomes((), tally, made, added)
        reject = Reason.REVIEW_REJECT
        own = sum(line["reason"] == reject and "file" in line for line in lines)
        written = [each for each in samples if is_written(each) and not is_twin(each)]
        tried = (line["reason"] for line in lines if "file" not in line)
        info = replace(
            info,
            files=files,
            dataset_sha256=digest_of(files),
            sources=tuple(_counted_anew(each, samples) for each in info.sources),
            rejected={k: n for k, n in {**info.rejected, reject: own}.items() if n},
            review=dict(tally.review),
            splits=dict(tally.splits),
            languages=dict(tally.languages),
            plan=info.plan and _plan(info.plan, written),
            tries=counted(tried) if info.tries is not None else None,
            flags=counted(f for each in written for f in each.flags)
            if info.flags is not None
            else None,
            twins=kinds_of(filter(is_twin, samples)) or None,
        )
        info = write_metadata(info, made)
        decisions.write(made)
        lacking = info.plan.unfilled.get(NOT_ASKED, 0) if info.plan else 0
        return lacking, publish(made, folder, stays={METRICS_FILE})  # its source is not read


def _counted_anew(source: SourceInfo, samples: Sequence[TestSample]) -> SourceInfo:
    origins = (each.provenance for each in samples if not is_written(each))
    kept = sum(o.source.file == source.file for o in origins if o and o.source)
    return replace(source, kept=kept, rejected=source.rejected + source.kept - kept)


def _plan(plan: PlanInfo, written: Sequence[TestSample]) -> PlanInfo:
    stand = Counter(map(type_of, written))
    lacking = sum(max(0, n - stand[type_]) for type_, n in plan.wanted.items())
    unfilled = Counter(plan.unfilled)
    unfilled[NOT_ASKED] += lacking - sum(plan.unfilled.values())
    return replace(
        plan,
        written={type_: stand[type_] for type_ in sorted(stand)},
        unfilled=dict(sorted((+unfilled).items())),
    )
