"""`dataset diff`: two versions of a dataset, test by test and field by field."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.records.codec import dump_line, to_json
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.templates.safe import one_line
from lm_eval_so.core.words import say
from lm_eval_so.generator.dataset_tools.show import asked_of
from lm_eval_so.generator.dataset_tools.verify import main_language

_DERIVED = frozenset({"schema", "rev"})
"""Fields that follow from the others."""
_MOST = 200
"""Characters of a value that people see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field that differs; null where a side does not have it."""

    field: str
    """Dotted path, as review.status."""
    old: JsonValue
    new: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One test that is on one side only, or differs."""

    id: str
    ref: str | None
    question: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Difference of two datasets."""

    added: tuple[Test, ...]
    removed: tuple[Test, ...]
    changed: tuple[Test, ...]
    same: int
    language: Language
    """Language of most tests of the newer one."""


def diff(old: Path, new: Path) -> Difference:
    """Return how a dataset differs from another one, by the ids of tests.

    A test whose question was edited has another id and counts as changed, since its review names the
    old one. What follows from other fields (`rev`) is left out.

    Args:
        old: Folder of the older dataset, or a file of samples.
        new: Folder of the newer one, or a file.

    Raises:
        DatasetError: With every problem of the lines of one of them.
    """
    before = {test.id: test for test in load_dataset(old)}
    after = [*load_dataset(new)]
    standing = {test.id for test in after}
    added: list[Test] = []
    changed: list[Test] = []
    matched: set[str] = set()
    for test in after:
        origin = test.review.edited_from if test.review else None
        is_edited = test.id not in before and origin in before and origin not in standing
        twin = before.get(origin if is_edited and origin else test.id)
        if twin is None or twin.id in matched:
            added.append(_told(test))
            continue
        matched.add(twin.id)
        if changes := tuple(_changes(twin, test)):
            changed.append(_told(test, changes))
    return Difference(
        added=tuple(added),
        removed=tuple(_told(test) for test in before.values() if test.id not in matched),
        changed=tuple(changed),
        same=len(after) - len(added) - len(changed),
        language=main_language(after),
    )


def diff_text(found: Difference, language: Language) -> str:
    """Return a difference for people, with a line end at its end: removed, added, changed, counts."""
    lines = [_line("-", test) for test in found.removed]
    lines += [_line("+", test) for test in found.added]
    for test in found.changed:
        lines.append(_line("~", test))
        lines += [
            f"    {one_line(c.field, _MOST)}: {_value(c.old)} → {_value(c.new)}"
            for c in test.changes
        ]
    figures = {name: len(getattr(found, name)) for name in ("added", "removed", "changed")}
    lines.append(say("dataset.difference", language, {**figures, "same": found.same}))
    return "".join(f"{line}\n" for line in lines)


def _told(test: TestSample, changes: Sequence[Change] = ()) -> Test:
    return Test(id=test.id, ref=test.ref, question=asked_of(test), changes=tuple(changes))


def _changes(old: TestSample, new: TestSample) -> Iterator[Change]:
    before, after = dict(_fields(to_json(old))), dict(_fields(to_json(new)))
    for name in dict.fromkeys([*before, *after]):
        if name not in _DERIVED and before.get(name) != after.get(name):
            yield Change(field=name, old=before.get(name), new=after.get(name))


def _fields(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, JsonValue]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _fields(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _line(mark: str, test: Test) -> str:
    ref = f"({test.ref})" if test.ref else None
    told = filter(None, (test.id, ref, test.question))
    return " ".join((mark, *(one_line(each, _MOST) for each in told)))


def _value(value: JsonValue) -> str:
    if value is None:
        return "–"
    return one_line(value if isinstance(value, str) else dump_line(value), _MOST)
