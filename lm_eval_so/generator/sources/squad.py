"""SQuAD and KorQuAD: questions on paragraphs, whole or one a record."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.generator.sources.base import Item, RawItem, Reason, Reject, Shaped, SourceFile
from lm_eval_so.generator.sources.json_values import EVERY, Tree, kind_of, walk

_ROW_KEYS: Final = frozenset({"title", "context", "question", "answers"})
_MAP: Final = {
    name: name for name in ("input", "references", "behavior", "context", "group", "ref")
}


def is_squad(value: JsonValue) -> bool:
    """Return whether a file's value is a list of articles with paragraphs."""
    found = walk(value, ("data", EVERY, "paragraphs", EVERY, "qas"))
    return next(found, None) is not None


def is_row(first: Item) -> bool:
    """Return whether a record holds its paragraph, as on the Hugging Face Hub."""
    if not isinstance(first, RawItem) or not first.payload.keys() >= _ROW_KEYS:
        return False
    return isinstance(first.payload["answers"], dict)


def read_squad(file: SourceFile, tree: Tree, options: SourceSection) -> Iterator[Item]:
    """Yield a record for each question: the paragraph is given to the chatbot, or is evidence.

    Questions that are impossible should make it abstain. Positions of answers are not used.

    Args:
        file: The file.
        tree: Value of the file.
        options: Source; `context` tells the role of the paragraphs.
    """
    yield Shaped(shape="SQuAD", map=_MAP)
    number = 0
    for path, paragraph in walk(tree.value, ("data", EVERY, "paragraphs", EVERY)):
        for at, question in walk(paragraph, ("qas", EVERY), path):
            number += 1
            place = {"record": number, **tree.at(at)}
            if isinstance(question, dict) and isinstance(paragraph, dict):
                whole = {**question, "context": paragraph.get("context")}
                yield RawItem(file=file, at=place, payload=_record(whole, options))
            else:
                what = f"found {kind_of(question)}, not an object"
                yield Reject(file=file, at=place, reason=Reason.NOT_OBJECT, what=what)


def read_squad_rows(items: Iterable[Item], options: SourceSection) -> Iterator[Item]:
    """Yield records that hold their paragraph in the same way; one without an answer is impossible."""
    yield Shaped(shape="SQuAD", map=_MAP)
    for item in items:
        if isinstance(item, RawItem) and item.payload:
            yield RawItem(file=item.file, at=item.at, payload=_record(item.payload, options))
        else:
            yield item


def _record(question: Mapping[str, JsonValue], options: SourceSection) -> dict[str, JsonValue]:
    given = question.get("answers") or []
    texts = (
        given.get("text")
        if isinstance(given, dict)
        else [t for _, t in walk(given, (EVERY, "text"))]
    )
    is_impossible = question.get("is_impossible", not texts) is True
    paragraph = question.get("context")
    group = digest_text(paragraph)[:16] if isinstance(paragraph, str) else None
    return {
        "input": question.get("question"),
        "references": [] if is_impossible else texts,
        "behavior": "abstain" if is_impossible else "answer",
        "context": [{"role": options.context or "given", "text": paragraph}],
        "group": None if group is None else f"p{group}",
        "ref": question.get("id"),
    }
