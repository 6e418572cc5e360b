"""`dataset show`: counts of a dataset, and one test as a person reads it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low

from lm_eval_so.core.dataset import Dataset, load_dataset
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.review_page import ReviewItem, ShownEvidence
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.templates.safe import one_line
from lm_eval_so.core.text import in_columns
from lm_eval_so.core.words import say
from lm_eval_so.errors import InputError, nearest
from lm_eval_so.generator.dataset.to_review import shown_items, shown_type
from lm_eval_so.generator.dataset_tools.verify import main_language

_SHOWN = 12
"""Values of a count that people see; the others are summed up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Lengths of texts, in code points."""

    shortest: int
    median: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Number of tests in a dataset, and of those with each value; the most frequent first."""

    tests: int
    type: Mapping[str, int]
    twin: Mapping[str, int]
    language: Mapping[str, int]
    source: Mapping[str, int]
    """Files that tests come from."""
    flag: Mapping[str, int]
    review: Mapping[str, int]
    lengths: Mapping[str, Lengths]
    """Of `question` and `answer`; absent if there is none."""


def summarise(path: Path) -> tuple[Summary, Language]:
    """Return the counts of a dataset, and the language of most of its tests.

    Args:
        path: Folder of the dataset, or a file of samples.

    Raises:
        DatasetError: With every problem of its lines.
    """
    tests = [*load_dataset(path)]
    origins = [test.provenance.source for test in tests if test.provenance]
    texts = {
        "question": [asked_of(test) for test in tests],
        "answer": [a for t in tests for a in t.answers],
    }
    summary = Summary(
        tests=len(tests),
        type=_counted(shown_type(test) for test in tests),
        twin=_counted(test.relation.type for test in tests if test.relation),
        language=_counted(test.language or "und" for test in tests),
        source=_counted(origin.file for origin in origins if origin),
        flag=_counted(flag.partition(":")[0] for test in tests for flag in test.flags),
        review=_counted(test.review.status if test.review else "none" for test in tests),
        lengths={name: _lengths([*map(len, each)]) for name, each in texts.items() if each},
    )
    return summary, main_language(tests)


def summary_text(summary: Summary, language: Language) -> str:
    """Return the counts for people, a line each, with a line end at the end."""
    rows = [("tests", f"{summary.tests:,}")]
    names = ("type", "twin", "language", "source", "flag", "review")
    counts = ((name, getattr(summary, name)) for name in names)
    rows += [(name, _listed(found, language)) for name, found in counts if found]
    for name, lengths in summary.lengths.items():
        figures = {each: f"{n:,}" for each, n in asdict(lengths).items()}
        rows.append((f"length_{name}", say("dataset.lengths", language, figures)))
    return _table(rows, language)


def show_test(path: Path, wanted: str, language: Language | None) -> tuple[TestSample, str]:
    """Return one test, and its text for people.

    Args:
        path: Folder of the dataset, or a file of samples.
        wanted: Id of the test, or its id in the source.
        language: Language of the labels; None: that of the test.

    Raises:
        InputError: If there is no such test; names the nearest id.
    """
    dataset = load_dataset(path)
    test = _find(dataset, wanted)
    language = language or main_language([test])
    [item] = shown_items(path, [test], language)
    head = " · ".join([test.id, *filter(None, [test.ref, item.type, item.language])])
    return test, f"{one_line(head)}\n{_table(_rows(test, item, language), language)}"


def _table(rows: Iterable[tuple[str, str]], language: Language) -> str:
    named = [(say(f"dataset.{name}", language), one_line(text)) for name, text in rows]
    return "".join(f"{line}\n" for line in in_columns(named))


def _find(dataset: Dataset, wanted: str) -> TestSample:
    names: list[str] = []
    for test in dataset:
        if wanted in (test.id, test.ref):
            return test
        names += filter(None, [test.id, test.ref])
    hint = "each line of the file has an id; your own ids (ref) do as well"
    if close := nearest(wanted, names):
        hint = f'did you mean "{close}"?'
    raise InputError(f'there is no test "{wanted}" in {dataset.file}', hint=hint)


def _rows(test: TestSample, item: ReviewItem, language: Language) -> Iterator[tuple[str, str]]:
    user = test.scenario.simulated_user if test.scenario else None
    if user is not None:
        yield from (("goal", user.goal), ("question", user.opening or ""))
        yield from (("fact", f"{name}: {value}") for name, value in user.facts.items())
    else:
        last = len(item.turns) - 1
        yield from ((t.role if n < last else "question", t.text) for n, t in enumerate(item.turns))
    yield from (("or_answer" if n else "expected", text) for n, text in enumerate(test.answers))
    if item.behavior != "answer":
        yield "behavior", say(f"review_page.behavior_{item.behavior}", language)
    if test.scenario is not None:
        yield from (("success", each.text) for each in test.scenario.success)
        yield from (("must_not", each.text) for each in test.scenario.must_not)
    if item.must_say:
        yield "must_say", ", ".join(item.must_say)
    yield from ((evidence.role, _evidence(evidence)) for evidence in item.evidence)
    if test.relation:
        yield "twin", f"{test.relation.type} ({test.relation.base})"
    if test.tags:
        yield "tags", ", ".join(test.tags)
    yield from (("flag", f"{flag.code}: {flag.text}") for flag in item.flags)
    if test.provenance and test.provenance.source:
        yield "source", test.provenance.source.file
    yield "review", item.status or "none"


def _evidence(evidence: ShownEvidence) -> str:
    place = " › ".join(filter(None, [evidence.file, evidence.heading, evidence.place]))
    return f"▌{evidence.quote}" + (f"  ({place})" if place else "")


def asked_of(test: TestSample) -> str:
    """Return the question of a test; of a conversation to play what the user begins with."""
    if test.scenario is not None:
        user = test.scenario.simulated_user
        return (user.opening or user.goal) if user else test.scenario.turns[0].user
    return test.question


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0])))


def _listed(counts: Mapping[str, int], language: Language) -> str:
    shown = [f"{name} {n:,}" for name, n in [*counts.items()][:_SHOWN]]
    if rest := sum([*counts.values()][_SHOWN:]):
        shown.append(say("dataset.others", language, {"n": f"{rest:,}"}))
    return ", ".join(shown)


def _lengths(found: Sequence[int]) -> Lengths:
    return Lengths(shortest=min(found), median=median_low(found), longest=max(found))
