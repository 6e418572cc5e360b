"""The quarantine and accept files: exemptions from the gate for a while."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.problems import config_problems
from lm_eval_so.core.config.section import Section
from lm_eval_so.core.config.yaml_lines import Located, parse_yaml
from lm_eval_so.core.records.report import Columns
from lm_eval_so.core.text import nfc
from lm_eval_so.errors import ConfigError, InputError, Problem, Where

LONGEST_DAYS = 90
"""Longest time ahead that a change can be accepted; a drop that stays belongs in the baseline."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOST_PROBLEMS = 100
_MAKE_IT = "write the file, an empty one for none, or leave the key out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An exemption until a day: of a sample, of a metric, or of one score of a sample."""

    sample_id: str | None
    """None if a whole metric is meant."""
    metric: str | None
    """None if all metrics are meant."""
    reason: str
    until: date
    """Last day on which it holds."""
    max_drop: float | None = None
    """Largest drop of an accepted change, in score units."""
    where: str
    """File and line, as shown."""
    on_base: bool | None = None
    """Whether it stands on the base commit, too; None where nothing is proposed."""
    counts: bool = True
    """Whether it may have an effect; under `gate.rules: strict` only one that stands on the base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceptions:
    """All entries of both files."""

    quarantine: tuple[Entry, ...] = ()
    accept: tuple[Entry, ...] = ()


def with_our_ids(exceptions: Exceptions, samples: Columns) -> Exceptions:
    """Return entries by our ids where they name a sample by the user's own id.

    Args:
        exceptions: Entries of the quarantine and accept files.
        samples: Samples of the baseline. Only what it says of own ids counts: a change that renames
            its samples moves no entry. An own id of several samples, or one that is also an id of
            ours, stands for none.
    """
    own, ours = samples.own_ids, {nfc(name) for name in samples.ids}
    times = Counter(map(nfc, own.values()))
    by_own = {nfc(ref): name for name, ref in own.items()}

    def renamed(entry: Entry) -> Entry:
        name = nfc(entry.sample_id or "")
        is_own = times[name] == 1 and name not in ours
        return replace(entry, sample_id=by_own[name]) if is_own else entry

    return replace(
        exceptions,
        quarantine=tuple(map(renamed, exceptions.quarantine)),
        accept=tuple(map(renamed, exceptions.accept)),
    )


def read_exceptions(config: Config, *, day: date) -> Exceptions:
    """Read the files that the gate of a config names; a default file may be missing.

    Args:
        config: Config with the gate.
        day: Today; it bounds how far ahead a change may be accepted.

    Raises:
        InputError: If a file cannot be read.
        ConfigError: With every problem of both files, its line and key.
    """
    quarantine, problems = _read(config, "quarantine", QuarantineEntry)
    accept, more = _read(config, "accept", AcceptEntry)
    problems += more
    for entry in accept:
        if entry.until > day + timedelta(days=LONGEST_DAYS):
            what = f"until {entry.until} is more than {LONGEST_DAYS} days ahead"
            hint = "name a nearer day, or store a new baseline"
            problems.append(Problem(what=what, where=Where(file=entry.where), hint=hint))
    if problems:
        raise ConfigError.of(problems[:_MOST_PROBLEMS])
    return Exceptions(quarantine=quarantine, accept=accept)


def read_accepted(content: bytes) -> tuple[Entry, ...]:
    """Return the entries of the accept file of another commit, without what is no entry."""
    try:
        located = parse_yaml(content.decode("utf-8-sig"), file="")
    except (ConfigError, UnicodeDecodeError):
        return ()
    return tuple(_all_entries(located, AcceptEntry)[0])


def hold_against_base(
    exceptions: Exceptions, base: Collection[Entry], *, is_strict: bool
) -> Exceptions:
    """Return exceptions that tell which accepted changes the base commit accepts, too.

    It does so if an entry there is about the same and goes as far: in its drop, and in time.

    Args:
        exceptions: Entries of the proposal.
        base: Entries of the accept file of the base commit.
        is_strict: Whether the others have no effect.
    """
    accept = []
    for entry in exceptions.accept:
        on_base = any(_allows(each, entry) for each in base)
        accept.append(replace(entry, on_base=on_base, counts=on_base or not is_strict))
    return replace(exceptions, accept=tuple(accept))


def exception_problems(config: Config, environ: Mapping[str, str]) -> list[Problem]:
    """Return every problem of both files, before anything is paid for."""
    try:
        read_exceptions(config, day=datetime.fromisoformat(now_text(environ)).date())
    except InputError as error:
        return list(error.problems)
    return []


def _text_of_id(value: Any) -> Any:
    # an unquoted 17 is the id "17"; of 1.50 nobody knows how it was written
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _day_of(value: Any) -> Any:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value) if _DAY.fullmatch(value) else _no_day()
    except (TypeError, ValueError):
        return _no_day()


def _no_day() -> date:
    raise ValueError("a day as 2026-12-31 is wanted")


_Id = Annotated[str, BeforeValidator(_text_of_id), Field(min_length=1)]
_Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
_Day = Annotated[date, BeforeValidator(_day_of)]
"""Only in one form: pydantic would take numbers and times, too."""


class QuarantineEntry(Section):
    """One entry of the quarantine file."""

    id: _Id | None = None
    """A sample."""
    ids: list[_Id] | None = Field(default=None, min_length=1)
    """Several samples."""
    metric: _Text | None = None
    """Only this metric; default: all."""
    reason: _Text
    """Reason, for readers of the comparison."""
    until: _Day
    """The last day on which it holds, in UTC."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        _refuse_both(self)
        return self

    def entries(self, where: str) -> Iterator[Entry]:
        """Yield one entry a sample."""
        yield from _entries(self, where)


class AcceptEntry(Section):
    """One entry of the accept file."""

    id: _Id | None = None
    """A sample; without it the whole metric is meant."""
    ids: list[_Id] | None = Field(default=None, min_length=1)
    """Several samples."""
    metric: _Text | None = None
    """Of a sample only this metric, or else the metric as a whole."""
    reason: _Text
    """Reason, for readers of the comparison."""
    until: _Day
    """The last day on which it holds, in UTC."""
    max_drop: float = Field(gt=0)
    """The largest drop that is accepted, in score units."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        _refuse_both(self)
        return self

    def entries(self, where: str) -> Iterator[Entry]:
        """Yield one entry a sample, or one of the metric."""
        if self.id is None and self.ids is None:
            yield _entry(self, None, where)
        else:
            yield from _entries(self, where)


_AnyEntry = QuarantineEntry | AcceptEntry


def _refuse_both(entry: "_AnyEntry") -> None:
    if entry.id is not None and entry.ids is not None:
        raise ValueError("id and ids exclude each other")
    is_about_metric = isinstance(entry, AcceptEntry) and entry.metric is not None
    if entry.id is None and entry.ids is None and not is_about_metric:
        kinds = "id, ids or metric" if isinstance(entry, AcceptEntry) else "id or ids"
        raise ValueError(f"one of {kinds} is needed")


def _entries(entry: _AnyEntry, where: str) -> Iterator[Entry]:
    ids = entry.ids if entry.ids is not None else [entry.id]
    yield from (_entry(entry, name, where) for name in dict.fromkeys(ids))


def _entry(entry: _AnyEntry, sample_id: str | None, where: str) -> Entry:
    return Entry(
        sample_id=sample_id,
        metric=entry.metric,
        reason=entry.reason.strip(),
        until=entry.until,
        max_drop=entry.max_drop if isinstance(entry, AcceptEntry) else None,
        where=where,
    )


def _allows(base: Entry, entry: Entry) -> bool:
    """Return whether what an entry accepts is accepted by one of the base already."""
    same = nfc(base.sample_id or "") == nfc(entry.sample_id or "")
    is_of_all = base.sample_id is not None and base.metric is None
    if not same or not (is_of_all or base.metric == entry.metric):
        return False
    return (base.max_drop or 0.0) >= (entry.max_drop or 0.0) and base.until >= entry.until


def _read(
    config: Config, key: Literal["quarantine", "accept"], model: type[_AnyEntry]
) -> tuple[tuple[Entry, ...], list[Problem]]:
    path: Path = getattr(config.gate, key)
    text = config.read_for(key, path)
    if text is None:
        if key not in config.gate.model_fields_set:
            return (), []
        where = config.where("gate", key)
        return (), [Problem(what=f"there is no file {path}", where=where, hint=_MAKE_IT)]
    try:
        located = parse_yaml(text, file=path.as_posix())
    except ConfigError as error:
        return (), list(error.problems)
    found, problems = _all_entries(located, model)
    return tuple(found), problems


def _all_entries(located: Located, model: type[_AnyEntry]) -> tuple[list[Entry], list[Problem]]:
    values = [] if located.values is None else located.values
    if not isinstance(values, list):
        where = Where(file=located.file, line=1)
        hint = '"- id: …" begins an entry'
        return [], [Problem(what="not a list of entries", where=where, hint=hint)]
    problems: list[Problem] = []
    found = [e for i, v in enumerate(values) for e in _parse(v, i, located, model, problems)]
    return found, problems


def _parse(
    value: Any, position: int, located: Located, model: type[_AnyEntry], problems: list[Problem]
) -> list[Entry]:
    try:
        entry = model.model_validate(value)
    except ValidationError as error:
        problems += config_problems(error, located, model=model, at=(position,))
        return []
    line = located.where((position,)).line
    return list(entry.entries(f"{located.file}:{line}"))
