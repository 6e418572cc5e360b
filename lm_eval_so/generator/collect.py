"""Sources to samples, streamed in the order of the config."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Listener
from lm_eval_so.errors import Problem, Where
from lm_eval_so.generator.documents.read import read_document
from lm_eval_so.generator.mapping.binding import (
    Binding,
    asks,
    bind,
    bind_columns,
    has_column,
    never_seen,
)
from lm_eval_so.generator.mapping.list_cells import CellNotes
from lm_eval_so.generator.mapping.sample_mapping import make_samples
from lm_eval_so.generator.outcomes import (
    Kept,
    Opened,
    Outcome,
    Personal,
    Read,
    Remark,
    Unusable,
    notice,
)
from lm_eval_so.generator.personal import clean_record
from lm_eval_so.generator.recognise import Found, find_files
from lm_eval_so.generator.sources.base import (
    Columns,
    FileError,
    Item,
    Noted,
    RawItem,
    Shaped,
    SourceFile,
    place,
)
from lm_eval_so.generator.sources.source_files import Items, open_file

_LOOKED_AT = 100
"""Number of records whose keys are used to choose columns by name."""
_LOGS = {"kakaotalk": "KakaoTalk", "otlp": "OTLP"}
"""Names of formats that are recognised by more than the ending."""
_WHAT_FOR = {
    "turns": "conversations",
    "staff": "KakaoTalk exports",
    "gap_minutes": "KakaoTalk exports",
    "sample": "tests",
}
"""Settings that apply to some files only."""


def collect(config: Config, listener: Listener) -> Iterator[Outcome]:
    """Read every source, also after one that cannot be used.

    Yields:
        `Opened` for each file, then the outcome of each of its records, or `Read` for a document.
    """
    for number in range(len(config.sources)):
        yield from collect_source(config, number, listener)


def collect_source(config: Config, number: int, listener: Listener) -> Iterator[Outcome]:
    """Read one source of the config; see `collect`."""
    return _SourceReader(config, number, listener).outcomes()


class _SourceReader:
    """Reader of one source, which checks its files and its map."""

    def __init__(self, config: Config, number: int, listener: Listener) -> None:
        self._config, self._number, self._listener = config, number, listener
        self._source = config.sources[number]
        self._errors: list[FileError] = []
        self._has_readable = False
        self._unusable = False
        self._keys: dict[str, None] = {}
        """Keys of records without a header, in order of appearance."""
        self._idle = [key for key in _WHAT_FOR if key in self._source.model_fields_set]
        """Settings that no file has used yet."""
        self._unseen = {column for _, column in bind(self._source.map).columns()}
        """Mapped columns that no record has shown yet."""

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcomes of all files, then the problems that make the source unusable."""
        for found in find_files(self._config, self._number):
            if isinstance(found, Problem):
                yield self._refuse(found)
            elif found.holds == "document":
                yield from self._document(found)
            else:
                yield from self._records(found)
        if self._errors and not self._has_readable:
            yield from map(self._refuse, map(_file_problem, self._errors))
        if self._keys and not self._unusable:
            names = tuple(self._keys)
            for column in sorted(self._unseen):
                yield self._refuse(never_seen(self._config, self._number, column, names))
        if self._has_readable and not self._unusable:
            yield from map(self._refuse, self._idle_problems())

    def _idle_problems(self) -> Iterator[Problem]:
        for key in self._idle:
            what = f"{key} is for {_WHAT_FOR[key]}, and {self._source.id} has none"
            where = self._config.where("generator", "sources", self._number, key)
            yield Problem(what=what, where=where, hint=f"leave {key} out")

    def _use(self, found: Found, binding: Binding) -> None:
        used = {"sample"} | ({"turns"} if "messages" in binding.refs else set())
        used |= {"staff", "gap_minutes"} if found.source.format == "kakaotalk" else set()
        self._idle = [key for key in self._idle if key not in used]

    def _document(self, found: Found) -> Iterator[Outcome]:
        document = read_document(found.name, found.path, found.source, self._config.pii)
        if isinstance(document, FileError):
            self._errors.append(document)
            yield Opened(file=document.file, holds=found.holds)
            yield document
            return
        self._has_readable = True
        file = SourceFile(
            source=found.source.id,
            name=found.name,
            path=found.path,
            sha256=document.sha256,
            size=found.path.stat().st_size,
            license=found.source.license,
        )
        yield Opened(file=file, holds=found.holds)
        yield Read(file=file, document=document)
        yield from (replace(each, file=file) for each in document.rejected)
        yield Personal(file=file, found=document.personal)

    def _records(self, found: Found) -> Iterator[Outcome]:
        name = found.name
        file, items = open_file(name, found.path, found.source, beside=found.beside)
        yield Opened(file=file, holds=found.holds)
        first = next(items, None)
        if isinstance(first, FileError):
            self._errors.append(first)
            yield first
            return
        self._has_readable = True
        if self._source.encoding is None and file.encoding == "cp949":
            self._tell("cp949", file=name)
        binding, problems, items = self._bound(name, first, items)
        if problems:
            yield from map(self._refuse, problems)
            return
        named = _LOGS.get(found.source.format or "", binding.shape)
        binding = replace(binding, shape=named)
        self._use(found, binding)
        self._tell_choice(file, binding)
        notes, personal, away = CellNotes(), Counter[str](), 0
        for item in items:
            away += isinstance(item, RawItem) and binding.puts_away(item)
            if isinstance(item, Noted):
                yield Remark(file=file, note=item)
            else:
                record: Item = clean_record(item, self._config.pii, personal)
                yield from self._outcomes(record, binding, notes)
        yield Personal(file=file, found=personal)
        if away and binding.skip:
            self._tell("put_away", file=name, n=f"{away:,}", value=": ".join(binding.skip))
        for code, figures in notes.told():
            self._tell(code, file=name, **figures)

    def _bound(
        self, name: str, first: Item | None, items: Items
    ) -> tuple[Binding, Sequence[Problem], Items]:
        """Return what the columns of a file are, the problems that make it unusable, and its records."""
        if isinstance(first, Shaped):
            return replace(bind(first.map), shape=first.shape), (), items
        if isinstance(first, Columns):
            self._unseen.clear()
            columns, line = first.names, first.line
        else:
            ahead: list[Item] = [] if first is None else [first]
            columns, line = self._look_ahead(ahead, items), None
            items = chain(ahead, items)
        binding, problems = bind_columns(self._config, self._number, name, columns, line=line)
        return binding, problems if columns else (), items

    def _look_ahead(self, ahead: list[Item], items: Items) -> tuple[str, ...]:
        """Return the keys of the first records, which are kept in `ahead`.

        Empty if the config maps the question.
        """
        if asks(self._source.map):
            return ()
        seen = sum(isinstance(item, RawItem) for item in ahead)
        while seen < _LOOKED_AT and (item := next(items, None)) is not None:
            ahead.append(item)
            seen += isinstance(item, RawItem) and bool(item.payload)
        keys = (key for item in ahead if isinstance(item, RawItem) for key in item.payload)
        return tuple(dict.fromkeys(keys))

    def _outcomes(self, item: Item, binding: Binding, notes: CellNotes) -> Iterator[Outcome]:
        if isinstance(item, Columns | Shaped | Noted):
            raise TypeError("a header in the middle of a file")
        if not isinstance(item, RawItem):
            yield item
            return
        if self._unseen:
            self._keys |= dict.fromkeys(item.payload)
            self._unseen = {c for c in self._unseen if not has_column(item.payload, c)}
        made = make_samples(item, binding)
        yield from made
        if any(isinstance(each, Kept) for each in made):
            for cell in binding.cells(item.payload):
                notes.add(*cell)

    def _refuse(self, problem: Problem) -> Unusable:
        self._unusable = True
        return Unusable(problem=problem)

    def _tell_choice(self, file: SourceFile, binding: Binding) -> None:
        if self._source.map or not binding.refs:
            return
        chosen = ", ".join(f"{field}: {refs[0]}" for field, refs in binding.refs.items())
        code = "columns"
        if binding.shape:
            code = "shape" if binding.is_plain else "shape_columns"
        self._tell(code, file=file.name, shape=binding.shape, columns=f"{{{chosen}}}")

    def _tell(self, code: str, **figures: object) -> None:
        self._listener(notice(self._config.language, code, **figures))


def _file_problem(error: FileError) -> Problem:
    what = f"{place(error.file.name, error.at)} {error.reason}: {error.what}"
    return Problem(what=what, where=Where(file=error.file.name), hint=error.hint)
