"""Scores of earlier evaluations: a row that is as it was, scored as it was, is not scored again.

A help, never a need: what goes wrong with the file is told once, and scoring goes on without.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.database import open_database
from lm_eval_so.core.events import Warned
from lm_eval_so.core.files import write_atomic
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.codec import dump_bytes
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.errors import InputError
from lm_eval_so.evaluator.bound import BoundMetric
from lm_eval_so.evaluator.fold import full_definition

_PACKAGE = "LM-Eval-SO"
FILE = "scores.sqlite"
"""Stands beside the cache of answers."""

_TABLE = "CREATE TABLE IF NOT EXISTS scores (key BLOB PRIMARY KEY, value BLOB)"
"""Values stand in the order in which rows were scored, and only the index of keys is at random:
with the values in it, it took 4.5 KB a row and most of the time."""
_PUT = "INSERT OR REPLACE INTO scores VALUES (?, ?)"
_FLUSH_AT = 4000
"""Rows; a flush writes a page of the index for almost each of them."""
_BUSY_S = 5.0
_ALWAYS_MADE = frozenset({"json_match", "pairwise", "pii_leak", "turns"})
"""Metrics that look at more than sample and row, or whose scoring does more than give a score."""
_TAKEN_FROM_ROW = frozenset(
    {"cost_usd", "input_tokens", "latency_ms", "output_tokens", "tokens_per_s", "ttft_ms"}
)
"""Metrics that take a number from the row, which is sooner done than keeping and reading it."""
_PASSING = frozenset(
    {"judge_error", "judge_budget", "metric_error", "embed_error", "regex_timeout"}
)
"""Codes of scores and votes that may turn out otherwise the next time."""

_IN_PLACE: Any = {"__all__": {"metric", "sample_id", "repeat"}}

Warn = Callable[[str], None]


def row_key(sample: TestSample, run: RunResult) -> bytes:
    """Give what the scores of a row are kept by: a digest of sample and row."""
    return blake2b(b"%b\n%b" % (dump_bytes(sample), dump_bytes(run)), digest_size=16).digest()


def keep_scores(
    config: Config, resources: Resources, bound: Sequence[BoundMetric]
) -> "KeptScores | None":
    """Give the scores of earlier evaluations, beside the cache of answers; None if that is off.

    Scores of built-in metrics are kept. What others' code says may have changed unseen, and its
    judges' answers are in the cache anyway.
    """
    if config.run.cache is False or resources.refreshes_cache:
        return None
    names = {each.id: _fingerprint(config, each) for each in bound if _is_kept(each)}

    def warn(text: str) -> None:
        resources.listener(Warned(stage="evaluate", text=text))

    path = config.resolve(config.run.cache).with_name(FILE)
    return KeptScores(path, warn, fingerprints=names)


def forget_scores(cache: Path) -> None:
    """Remove the scores that stand beside a cache of answers; those who use them go on without.

    Raises:
        OSError: If the file cannot be removed.
    """
    for ending in ("", "-wal", "-shm"):
        cache.with_name(f"{FILE}{ending}").unlink(missing_ok=True)


def _is_kept(each: BoundMetric) -> bool:
    made = _ALWAYS_MADE | _TAKEN_FROM_ROW
    is_of_row = not (each.metric.part_ids or each.is_over_repeats or each.is_late)
    is_cacheable = all(j.options.get("cacheable") is not False for j in each.section.judges)
    return each.is_ours and is_of_row and is_cacheable and each.metric.name not in made


def _fingerprint(config: Config, each: BoundMetric) -> str:
    """Give the digest of all that decides a score and what it says, how a judge is reached too."""
    section = each.section
    judges = [judge.model_dump(mode="json") for judge in section.judges]
    rest = [section.pass_if, section.only.model_dump(mode="json"), section.judge.quorum]
    return digest([full_definition(each), judges, rest, config.language.value, version(_PACKAGE)])


class KeptScores:
    """Scores by row, and by the fingerprint of the metric; a context.

    Args:
        path: The SQLite file, which is made if it is not there.
        warn: Told, once, if the file cannot be used.
        fingerprints: Digest of the definition by metric id, of those whose scores are kept.
    """

    def __init__(self, path: Path, warn: Warn, *, fingerprints: Mapping[str, str]) -> None:
        self._path = path
        self._warn = warn
        self._names = {metric_id: name[:16] for metric_id, name in fingerprints.items()}
        self._waiting: dict[bytes, bytes] = {}
        self._file: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        try:
            self._file = _connect(self._path)
        except (sqlite3.Error, OSError, InputError) as error:
            self._give_up(error)
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._file is not None:
            self._file.close()

    def get(self, key: bytes) -> dict[str, Score]:
        """Give the scores of a row by metric id, as far as they are there."""
        return self._read(key)

    def put(self, key: bytes, scores: Mapping[str, Score], *, kept: int = 0) -> None:
        """Keep the scores of a row, but for those that may turn out otherwise the next time.

        Args:
            key: That of the row.
            scores: By metric id.
            kept: How many of them are kept already.
        """
        lasting = {
            name: scores[each]
            for each, name in self._names.items()
            if each in scores and _PASSING.isdisjoint(_codes(scores[each]))
        }
        if self._file is None or len(lasting) <= kept:
            return
        self._waiting[key] = _dumped(lasting)
        if len(self._waiting) >= _FLUSH_AT:
            self._flush()

    def _read(self, key: bytes) -> dict[str, Score]:
        if self._file is None:
            return {}
        try:
            found = self._file.execute("SELECT value FROM scores WHERE key = ?", (key,)).fetchone()
            return self._loaded(found[0]) if found else {}
        except (TypeError, ValueError):
            return {}  # of another version
        except sqlite3.Error as error:
            self._give_up(error)
            return {}

    def _loaded(self, value: bytes) -> dict[str, Score]:
        place, kept = from_json(value)
        found = {
            each: {"metric": each, **place, **kept[name]}
            for each, name in self._names.items()
            if name in kept
        }
        return _adapter().validate_python(found)

    def _flush(self) -> None:
        if self._file is None or not self._waiting:
            return
        try:
            with self._file:
                self._file.executemany(_PUT, self._waiting.items())
            self._waiting.clear()
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        if self._file is not None:
            with suppress(sqlite3.Error):
                self._file.close()
        self._file = None
        self._waiting.clear()
        self._warn(f"scores cannot be kept in {self._path}: {error}")


def _codes(score: Score) -> Iterator[str | None]:
    """Give the codes of a score and of the votes that it follows from."""
    yield score.code
    yield from (vote.code for vote in score.judge)


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    _keep_out_of_git(path)
    return open_database(path, table=_TABLE, busy_s=_BUSY_S)


def _keep_out_of_git(path: Path) -> None:
    ignored, line = path.parent / ".gitignore", f"/{path.name}*\n"
    said = ignored.read_text("utf-8") if ignored.is_file() else ""
    if line not in said and (said or not path.exists()):
        write_atomic(ignored, said + line)  # never through a link that is committed


def _dumped(scores: Mapping[str, Score]) -> bytes:
    """Give scores of a row as JSON, without what is the same of all or stands to reason."""
    one = next(iter(scores.values()))
    place = {"sample_id": one.sample_id, "repeat": one.repeat}
    rest = _adapter().dump_json({**scores}, exclude_defaults=True, exclude=_IN_PLACE)
    return b"[%b,%b]" % (to_json(place), rest)


@cache
def _adapter() -> TypeAdapter[dict[str, Score]]:
    return TypeAdapter(dict[str, Score])
