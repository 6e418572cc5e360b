"""Twins of tests: the same question as another user types it, which must get as good an answer."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.hashing import content_id, revision, u64
from lm_eval_so.core.records.sample import Provenance, Relation, Review, TestSample
from lm_eval_so.generator.review.decisions import Decisions
from lm_eval_so.generator.twins.kinds import kinds_for

METHOD = "twin"
"""Method of a test that is a twin, and key of its metadata with the kind."""
_LONGEST = 300
"""Characters of a question that may have a twin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Number and choice of twins."""

    wanted: int
    seed: int
    required: str | None = None
    """Tag of required cases, which a twin does not take over."""
    rejected: Collection[str] = ()
    """Ids of tests that people rejected, and that are not made again."""


def twins_of(
    config: Config,
    tests: Sequence[TestSample],
    standing: Sequence[TestSample],
    decisions: Decisions,
) -> Sequence[TestSample]:
    """Return the twins of tests that a config wants, as people decided."""
    section, must = config.generator, config.gate.must
    terms = Twins(
        wanted=section.synthesise.twins if section and section.synthesise else 0,
        seed=section.seed if section else 0,
        required=must.tag if must else None,
        rejected={sample.id for sample in decisions.rejected},
    )
    made = make_twins(tests, tuple(decisions.all_decided(standing)), terms)
    return in_order_of_kinds(decisions.all_decided(made))


def make_twins(
    tests: Sequence[TestSample], standing: Iterable[TestSample], terms: Twins
) -> tuple[TestSample, ...]:
    """Return the twins of tests, at most one of each, in the order of kinds and ids.

    A twin that stands keeps its question while its base stands; what it is judged by is that of its
    base, unless somebody edited the twin. Other places go to further bases, those with keywords first,
    which need no judge, in an order that depends on the seed and the base alone; and to the kind that
    has the fewest.

    Source: Ribeiro et al. (2020), CheckList, ACL: invariance tests.

    Args:
        tests: All other tests of the dataset.
        standing: Twins that stand in it, edits by hand taken over.
        terms: Number and choice.
    """
    bases = {test.id: test for test in tests if _may_have_one(test)}
    taken = {test.id for test in tests} | {*terms.rejected}
    made: dict[str, TestSample] = {}
    for twin in standing:
        base = bases.get(twin.relation.base) if twin.relation else None
        if base is not None and len(made) < terms.wanted and base.id not in made:
            kept = twin if _is_edited(twin) else _twin(base, twin.question, _kind(twin), terms)
            if kept.id not in taken:
                made[base.id] = kept
                taken.add(kept.id)
    counts = Counter(map(_kind, made.values()))
    kinds = kinds_for(_texts(tests)) if len(made) < terms.wanted else {}
    for base in sorted(
        bases.values(),
        key=lambda each: (not _has_keywords(each), u64(terms.seed, METHOD, each.id), each.id),
    ):
        if len(made) >= terms.wanted:
            break
        if base.id in made:
            continue
        for kind in sorted(kinds, key=lambda name: counts[name]):  # stable: of equal ones the first
            text = kinds[kind](base.question, u64(terms.seed, METHOD, base.id, kind))
            if text is not None and (new := _twin(base, text, kind, terms)).id not in taken:
                made[base.id] = new
                taken.add(new.id)
                counts[kind] += 1
                break
    return in_order_of_kinds(made.values())


def in_order_of_kinds(twins: Iterable[TestSample]) -> tuple[TestSample, ...]:
    """Return twins in the order in which a dataset has them: by kind and id."""
    return tuple(sorted(twins, key=lambda twin: (_kind(twin), twin.id)))


def kinds_of(twins: Iterable[TestSample]) -> dict[str, int]:
    """Return the number of twins of each kind."""
    return dict(sorted(Counter(map(_kind, twins)).items()))


def is_twin(sample: TestSample) -> bool:
    """Return whether a test was made from another one by `make_twins`."""
    return sample.provenance is not None and sample.provenance.method == METHOD


def _may_have_one(test: TestSample) -> bool:
    """Return whether a test is one question with something to say in the answer."""
    is_single = len(test.messages) == 1 and test.messages[0].role == "user"
    is_judged = test.expected is not None or _has_keywords(test)
    return is_single and is_judged and test.relation is None and len(test.question) <= _LONGEST


def _has_keywords(test: TestSample) -> bool:
    return bool(test.metrics.get("keyword_coverage", {}).get("keywords"))


def _texts(tests: Iterable[TestSample]) -> Iterator[str]:
    for test in tests:
        yield from (test.question, *test.answers, *(passage.text for passage in test.context))


def _twin(base: TestSample, text: str, kind: str, terms: Twins) -> TestSample:
    origin = base.provenance
    twin = replace(
        base,
        id="",
        ref=f"{base.ref} ({kind})" if base.ref else None,
        messages=(replace(base.messages[0], content=text),),
        relation=Relation(base=base.id, type=kind, expect="same"),
        tags=tuple(tag for tag in base.tags if tag != terms.required),
        metadata={**base.metadata, METHOD: kind},
        flags=(),
        review=_review(base.review),
        provenance=Provenance(
            method=METHOD,
            source=origin.source if origin else None,
            parents=(base.id,),
            license=origin.license if origin else None,
        ),
    )
    return replace(twin, id=content_id(twin), rev=revision(twin))


def judged_as(twin: TestSample, base: TestSample) -> TestSample:
    """Return a twin that is judged as its base is now; one that people edited stays as it is."""
    if _is_edited(twin):
        return twin
    made = replace(
        twin,
        expected=base.expected,
        behavior=base.behavior,
        metrics=base.metrics,
        review=_review(base.review),
    )
    return replace(made, rev=revision(made))


def _review(review: Review | None) -> Review | None:
    """Return the state of a twin: that of its base; `edited` is kept for twins that people edit."""
    if review is None:
        return None
    return Review(status="accepted" if review.status == "edited" else review.status)


def _is_edited(twin: TestSample) -> bool:
    return twin.review is not None and twin.review.status == "edited"


def _kind(twin: TestSample) -> str:
    return twin.relation.type if twin.relation else ""
