"""The tool that wrote a file, found by what the file holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.errors import InputError, UnknownName, Where
from lm_eval_so.evaluator.foreign.foreign_file import Content, kind_of, read_content
from lm_eval_so.evaluator.foreign.records import ForeignResults, Tool
from lm_eval_so.evaluator.foreign.tools import (
    deepeval_run,
    inspect_log,
    promptfoo_eval,
    ragas_table,
)

TOOLS: Final[Sequence[Tool]] = (
    promptfoo_eval.TOOL,
    deepeval_run.TOOL,
    inspect_log.TOOL,
    ragas_table.TOOL,
)
"""All tools, the surest signs first."""
_OURS: Final = EvaluationReport.__dataclass_fields__["schema"].default.rpartition("/")[0]


def read_results(
    file: Path, *, tool: str | None = None, candidate: str | None = None
) -> ForeignResults:
    """Read the results of another tool.

    Args:
        file: The file.
        tool: Name of the tool; None: the one whose signs the file bears.
        candidate: Name of the chatbot, if the file holds several.

    Raises:
        UnknownName: If there is no such tool.
        UsageError: If the file holds several chatbots, and none of them is named.
        InputError: With every problem of the file.
    """
    by_name = {each.name: each for each in TOOLS}
    if tool is not None and tool not in by_name:
        raise UnknownName("tool", tool, by_name)
    content = read_content(file)
    found = next((each for each in TOOLS if each.fits(content)), None)
    wanted = by_name[tool] if tool is not None else found
    if wanted is None or not (wanted is found or wanted.fits(content)):
        raise _unknown(content, [wanted] if wanted else TOOLS)
    return wanted.read(content, candidate)


def _unknown(content: Content, tools: Sequence[Tool]) -> InputError:
    where, hint = Where(file=str(content.file)), _advice(content)
    looked = "; ".join(each.looks_for for each in tools)
    if hint is None:
        hint = f"looked for {looked}"
    *others, last = (each.name for each in tools)
    names = " or ".join(filter(None, (", ".join(others), last)))
    return InputError(f"no results of {names}: {_found(content)}", where=where, hint=hint)


def _advice(content: Content) -> str | None:
    """Return what to do with a file that is known, but holds no results that can be read."""
    whole = content.document or {}
    if str(whole.get("schema", "")).startswith(_OURS):
        return "this is a report already: name it where a report is wanted"
    if isinstance(whole.get("results"), list) and "stats" in whole:
        return "an old release of promptfoo wrote it: promptfoo@latest eval -o FILE.json"
    return None


def _found(content: Content) -> str:
    if content.members is not None:
        return "a zip file without header.json"
    if content.document is not None:
        keys = ", ".join(list(content.document)[:8])
        return f"found {kind_of(content.document)} with {keys or 'nothing'}"
    if not content.columns:
        return "found no table with rows"
    return f"found rows with {', '.join(content.columns[:8])}"
