"""Problems of the sources that show before a file is read in full."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from lm_eval_so.core.asking.open import backend_problems
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.core.files import leads_out
from lm_eval_so.errors import Problem, Where, nearest
from lm_eval_so.generator.mapping.binding import bind_columns, map_problems
from lm_eval_so.generator.recognise import Found, find_files
from lm_eval_so.generator.sources.base import Columns
from lm_eval_so.generator.sources.encoding import is_encoding
from lm_eval_so.generator.sources.json_values import parse_path
from lm_eval_so.generator.sources.reader_table import READERS, SHEETS
from lm_eval_so.generator.sources.source_files import format_of, locate, open_file


def check(config: Config, environ: Mapping[str, str] | None = None) -> list[Problem]:
    """Return the problems of the `generator` section; none without it.

    Args:
        config: The config.
        environ: Environment variables, for the keys of its models; None: the config alone is looked at.
    """
    if not config.sources:
        return []
    problems = list(_model_problems(config, environ))
    if config.dataset.path.suffix == ".jsonl":
        what = "generate writes a folder, and dataset.path names a file"
        problems.append(Problem(what=what, where=config.where("dataset", "path")))
    problems += _id_problems(config)
    for number in range(len(config.sources)):
        problems += list(_section_problems(config, number)) or _file_problems(config, number)
    return [*problems, *_superseded_problems(config)]


def config_problems(config: Config) -> Iterator[Problem]:
    """Yield the problems of the sources and models that show without a look at files and keys."""
    yield from _model_problems(config, None)
    yield from _id_problems(config)
    for number in range(len(config.sources)):
        yield from _section_problems(config, number)


def _model_problems(config: Config, environ: Mapping[str, str] | None) -> Iterator[Problem]:
    for _, section in config.generator.backend_sections() if config.generator else ():
        yield from backend_problems(section, config=config, environ=environ)


def _id_problems(config: Config) -> Iterator[Problem]:
    ids = [source.id for source in config.sources]
    for number, source_id in enumerate(ids):
        if source_id in ids[:number]:
            where = config.where("generator", "sources", number, "id")
            yield Problem(what=f'two sources have the id "{source_id}"', where=where)


def _superseded_problems(config: Config) -> Iterator[Problem]:
    """Find files that are superseded and are no file of a source."""
    if not any(source.supersedes for source in config.sources):
        return
    files = [each for n in range(len(config.sources)) for each in locate(config, n)]
    names = [each[0] for each in files if not isinstance(each, Problem)]
    for number, source in enumerate(config.sources):
        for position, name in enumerate(source.supersedes):
            if name not in names:
                close = nearest(name, names)
                hint = f'did you mean "{close}"?' if close else "name it among the sources, too"
                where = config.where("generator", "sources", number, "supersedes", position)
                yield Problem(what=f"no source has the file {name}", where=where, hint=hint)


def _section_problems(config: Config, number: int) -> Iterator[Problem]:
    source = config.sources[number]
    at = ("generator", "sources", number)
    for key, what, hint in map_problems(source.map):
        yield Problem(what=what, where=config.where(*at, "map", *([key] if key else [])), hint=hint)
    if source.encoding is not None and not is_encoding(source.encoding):
        what = f'unknown encoding "{source.encoding}"'
        yield Problem(what=what, where=config.where(*at, "encoding"), hint="as utf-8 or cp949")
    for position, pattern in enumerate(source.headings):
        try:
            re.compile(pattern)
        except re.error as error:
            where = config.where(*at, "headings", position)
            yield Problem(what=f"no regular expression: {error}", where=where)
    yield from _use_problems(source, lambda key: config.where(*at, key))
    if source.records is not None:
        if parse_path(source.records) is None:
            what = f'"{source.records}" is no path'
            yield Problem(what=what, where=config.where(*at, "records"), hint="as $.data")
        if not _may_be(source, {"json", "yaml"}):
            what = "records is for JSON documents"
            yield Problem(what=what, where=config.where(*at, "records"))


def _may_be(source: SourceSection, formats: Collection[str]) -> bool:
    """Return whether a file of a source may be of one of these formats."""
    paths = [source.path] if isinstance(source.path, str) else source.path
    return any(format_of(path, source) in {*formats, None} for path in paths)


def _use_problems(source: SourceSection, where: Callable[[str], Where]) -> Iterator[Problem]:
    """Find settings of documents at a source of samples, and the other way round."""
    of_documents = ("selector", "headings", "supersedes")
    if source.use is None and not source.map:
        return  # each file decides
    if source.use == "documents":
        if source.map:
            hint = "leave map out, or write as: samples"
            yield Problem(what="documents have no map", where=where("map"), hint=hint)
        return
    for key in of_documents:
        if getattr(source, key):
            hint = "write as: documents"
            yield Problem(what=f"{key} is for documents", where=where(key), hint=hint)
    for key in ("sheets", "header_row"):
        if getattr(source, key) and not _may_be(source, SHEETS):
            yield Problem(what=f"{key} is for workbooks", where=where(key))
    if source.format is not None and source.format not in READERS:
        what = f"samples are not read from {source.format}"
        yield Problem(what=what, where=where("format"), hint="write as: documents")


def _file_problems(config: Config, number: int) -> Iterator[Problem]:
    for found in find_files(config, number):
        if isinstance(found, Problem):
            yield found
        elif found.holds != "document":
            yield from _header_problems(config, number, found)


def _header_problems(config: Config, number: int, found: Found) -> Iterator[Problem]:
    name = found.name
    if format_of(name, found.source) not in {"csv", "tsv"}:
        return
    _, items = open_file(name, found.path, found.source)
    header = next(items, None)
    if isinstance(header, Columns):
        yield from bind_columns(config, number, name, header.names, line=header.line)[1]


def files_outside(config: Config, folder: Path) -> list[Path]:
    """Return the files of the sources that lie outside a folder once links are followed.

    Args:
        config: The config.
        folder: The folder.
    """
    found = (each for number in range(len(config.sources)) for each in locate(config, number))
    paths = [each[1] for each in found if not isinstance(each, Problem)]
    return [path for path in paths if leads_out(path, folder)]
