"""What becomes of a file and of each of its records on the way to the dataset."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import Problem
from lm_eval_so.generator.sources.base import FileError, Reject, SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file that is read from here on."""

    file: SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A record that became a sample."""

    file: SourceFile
    at: Mapping[str, JsonValue]
    """Place in the file, as in `RawItem`."""
    sample: TestSample


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A record that says nothing: all its values are blank."""

    file: SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A source that cannot be used, so that no dataset is made."""

    problem: Problem


Outcome = Opened | Kept | Skipped | Reject | FileError | Unusable
