"""Inspect: a log of one task and model, as `.eval` (a zip file) or as JSON."""

import math
from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase
from typing import Any, Final, TypeVar

from lm_eval_so.core.records.chat import Message, Usage
from lm_eval_so.core.records.enums import MetricKind, RunStatus
from lm_eval_so.core.records.run import BackendInfo
from lm_eval_so.errors import InputError, Where
from lm_eval_so.evaluator.foreign.foreign_file import (
    Content,
    Node,
    Problems,
    as_float,
    parse,
    plain,
    shown,
)
from lm_eval_so.evaluator.foreign.records import (
    ForeignAnswer,
    ForeignCase,
    ForeignResults,
    Mark,
    Measure,
    Tool,
)

_VERSION: Final = 2
_HEADER: Final = "header.json"
_GRADES: Final = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Values of Inspect's grades: correct, partly, incorrect, no answer."""
_SAID: Final = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_RIGHT_OR_WRONG: Final = frozenset(
    {"exact", "includes", "match", "pattern", "answer", "choice", "math"}
)
"""Inspect's scorers that know only right and wrong."""
_SHARES: Final = frozenset({"f1"})
"""Inspect's scorers that give a number from 0 to 1."""
_JUDGES: Final = frozenset({"model_graded_qa", "model_graded_fact"})
T = TypeVar("T", int, float)


def fits(content: Content) -> bool:
    """Return whether a file is a log of Inspect."""
    if content.members is not None:
        return _HEADER in content.members
    return {"version", "status", "eval"} <= {*(content.document or {})}


def read(content: Content, candidate: str | None) -> ForeignResults:
    """Read a log.

    Args:
        content: The file.
        candidate: Not needed: a log is about one model.

    Raises:
        InputError: With every problem of the file.
    """
    del candidate
    problems = Problems(content.file)
    head = Node(_header(content), "", problems)
    _refuse_version(head, content)
    told, samples = head.node("eval"), _samples(content, problems)
    samples = _in_order(samples, told)
    if not samples:
        problems.add("the log has no samples", "samples", "run it without --no-log-samples")
    problems.refuse()
    measures = {m.name: m for m in _measures(told, samples)}
    rows = [(_case(sample), _answer(sample, measures)) for sample in samples]
    _refuse_twice(samples, problems)
    problems.refuse()
    stats, model = head.node("stats"), told.text("model")
    return ForeignResults(
        tool=TOOL.name,
        version=told.node("packages").text("inspect_ai"),
        name=told.text("task_display_name") or told.text("task"),
        backend=BackendInfo(
            name=TOOL.name,
            label=model or TOOL.name,
            model=model,
            params={k: plain(v) for k, v in told.node("model_generate_config").values.items()},
            details=_details(head, told),
        ),
        measures=tuple(measures.values()),
        rows=rows,
        started_at=stats.text("started_at") or told.text("created"),
        finished_at=stats.text("completed_at"),
        commit=told.node("revision").text("commit"),
        is_complete=head.text("status") == "success",
    )


def _header(content: Content) -> Any:
    if content.members is None:
        return content.document
    return parse(content.members[_HEADER], content.file, key=_HEADER)


def _refuse_version(head: Node, content: Content) -> None:
    version = head.count("version")
    if version == _VERSION:
        return
    newer = version is not None and version > _VERSION
    hint = "update lm-eval-so" if newer else "convert it with a newer Inspect: inspect log convert"
    what = f"a log of Inspect in version {version}; version {_VERSION} is read"
    raise InputError(what, where=Where(file=str(content.file), key="version"), hint=hint)


def _samples(content: Content, problems: Problems) -> list[Node]:
    if content.members is None:
        return Node(content.document, "", problems).nodes("samples")
    found = []
    for name in sorted(content.members.keys() - {_HEADER}):
        try:
            found.append(Node(parse(content.members[name], content.file, key=name), name, problems))
        except InputError as error:
            problems.found += error.problems
    return found


def _in_order(samples: list[Node], told: Node) -> list[Node]:
    """Return samples in the order of the dataset."""
    ids = told.node("dataset").values.get("sample_ids")
    places = {str(name): at for at, name in enumerate(ids if isinstance(ids, list) else [])}

    def place(sample: Node) -> tuple[int, str, int]:
        name = sample.text("id") or ""
        return places.get(name, len(places)), name, sample.count("epoch") or 0

    return sorted(samples, key=place)


def _refuse_twice(samples: Sequence[Node], problems: Problems) -> None:
    seen: dict[tuple[str | None, int | None], str] = {}
    for sample in samples:
        key = (sample.text("id"), sample.count("epoch"))
        if key in seen:
            problems.add(
                f"sample {key[0]}, epoch {key[1]} already stands at {seen[key]}", sample.at
            )
        seen[key] = sample.at


def _details(head: Node, told: Node) -> dict[str, Any]:
    steps = [step.text("solver") or "?" for step in head.node("plan").nodes("steps")]
    given = {key: plain(value) for key, value in told.node("task_args").values.items()}
    return {**({"solver": steps} if steps else {}), **({"task_args": given} if given else {})}


def _case(sample: Node) -> ForeignCase:
    name, asked = sample.text("id"), sample.values.get("input")
    if name is None:
        sample.problem("a sample has an id", "id")
    messages = _messages(asked) if isinstance(asked, list) else ()
    if not messages:
        lines = ["" if asked is None else shown(asked), *_choices(sample.values.get("choices"))]
        messages = (Message(role="user", content="\n".join(lines)),)
    target = sample.values.get("target")
    right = [shown(each) for each in (target if isinstance(target, list) else [target]) if each]
    return ForeignCase(
        identity=plain(asked),
        own_id=name,
        messages=messages,
        expected=next(iter(right), None),
        references=tuple(right[1:]),
    )


def _choices(given: Any) -> Iterator[str]:
    """Yield the choices of a question with their letters, as Inspect shows them to the model."""
    for letter, choice in zip(
        ascii_uppercase, given if isinstance(given, list) else (), strict=False
    ):
        yield f"{letter}) {shown(choice)}"


def _messages(asked: Sequence[Any]) -> tuple[Message, ...]:
    """Return the messages of a sample's input that a dataset can hold: up to the last of the user."""
    found = [
        Message(role=each["role"], content=_text(each.get("content")))
        for each in asked
        if isinstance(each, Mapping) and each.get("role") in {"system", "user", "assistant"}
    ]
    while found and found[-1].role != "user":
        found.pop()
    return tuple(found)


def _text(content: Any) -> str:
    """Return the text of a message; parts that are no text are left out."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "\n".join(shown(part) for part in parts if part)
    return "" if content is None else shown(content)


def _answer(sample: Node, measures: Mapping[str, Measure]) -> ForeignAnswer:
    output, error = sample.node("output"), sample.node("error")
    choices = output.nodes("choices")
    stop = choices[0].text("stop_reason") if choices else None
    text = output.text("completion") or ""
    status = (
        RunStatus.TRUNCATED if stop == "max_tokens" else RunStatus.OK if text else RunStatus.EMPTY
    )
    usage = sample.node("model_usage")
    used = [usage.node(model) for model in usage.values]
    seconds = sample.amount("working_time") or sample.amount("total_time")
    has_failed = "error" in sample
    return ForeignAnswer(
        status=RunStatus.ERROR if has_failed else status,
        text=None if has_failed else text,
        error=(error.text("message") or "error") if has_failed else None,
        repeat=max(0, (sample.count("epoch") or 1) - 1),
        usage=Usage(
            input_tokens=_total([each.count("input_tokens") for each in used]),
            output_tokens=_total([each.count("output_tokens") for each in used]),
        ),
        cost_usd=_total([each.amount("total_cost") for each in used]),
        latency_ms=None if seconds is None else seconds * 1000,
        started_at=sample.text("started_at"),
        model=output.text("model") or None,
        marks={} if has_failed else _marks(sample, measures),
    )


def _total(found: Sequence[T | None]) -> T | None:
    known = [each for each in found if each is not None]
    return sum(known[1:], known[0]) if known else None


def _marks(sample: Node, measures: Mapping[str, Measure]) -> dict[str, Mark]:
    """Return the scores of an answer; a scorer that gave it none leaves it without one."""
    marks: dict[str, Mark] = {}
    scores = sample.node("scores")
    for scorer in scores.values:
        told = scores.node(scorer)
        why = told.text("explanation") or told.text("reason")
        for name, value in _parts(scorer, told.values.get("value")):
            number = _as_number(value)
            is_binary = name in measures and measures[name].kind is MetricKind.BINARY
            marks[name] = Mark(
                value=number,
                passed=number == 1 if is_binary and number in {0.0, 1.0} else None,
                reason=why if number is not None else why or f"the value is {shown(value)[:80]}",
            )
    return {name: marks.get(name, Mark(value=None, reason="not scored")) for name in measures}


def _parts(scorer: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name of the metric, value): a scorer may give several at once."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{scorer}.{key}", inner
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield f"{scorer}.{number}", inner
    else:
        yield scorer, value


def _as_number(value: Any) -> float | None:
    """Return a value as Inspect counts it: NaN is its sign of an answer without a score.

    None for a text that is no grade, and for what is no value at all.
    """
    if isinstance(value, str):
        if value in _GRADES:
            return _GRADES[value]
        if value.lower() in _SAID:
            return _SAID[value.lower()]
        try:
            value = float(value)
        except ValueError:
            return None
    return as_float(value) if isinstance(value, int | float) else None


def _measures(told: Node, samples: Sequence[Node]) -> Iterator[Measure]:
    """Yield the metrics in the order of the scorers; a scorer outside of the log's list comes last."""
    scorers = {name: each for each in told.nodes("scorers") if (name := each.text("name"))}
    found: dict[str, tuple[str, list[Any]]] = {}
    for sample in samples:
        scores = sample.node("scores")
        for scorer in scores.values:
            for name, value in _parts(scorer, scores.node(scorer).values.get("value")):
                found.setdefault(name, (scorer, []))[1].append(value)
    for scorer in scorers:
        if not any(of == scorer for of, _ in found.values()):
            found[scorer] = (scorer, [])
    places = {name: at for at, name in enumerate(scorers)}
    for name in sorted(found, key=lambda n: places.get(found[n][0], len(places))):
        scorer, values = found[name]
        is_whole = name == scorer
        yield _measure(name, scorers.get(scorer), values, is_known=is_whole)


def _measure(name: str, scorer: Node | None, values: Sequence[Any], *, is_known: bool) -> Measure:
    """Return a metric: its kind is that of Inspect's own scorer, else that of the values."""
    base = name.rpartition("/")[2] if is_known else ""
    options = {k: plain(v) for k, v in scorer.node("options").values.items()} if scorer else {}
    definition: dict[str, Any] = {"options": options} if options else {}
    known = [number for value in values if (number := _as_number(value)) is not None]
    numbers = list(filter(math.isfinite, known))
    graded = {value for value in values if isinstance(value, str | bool)}
    kind, span = MetricKind.BOUNDED, (0.0, 1.0)
    if base in _RIGHT_OR_WRONG or (base in _JUDGES and options.get("partial_credit") is not True):
        kind = MetricKind.BINARY
    elif base not in _SHARES and base not in _JUDGES:
        is_binary = bool(graded) and all(number in {0.0, 1.0} for number in numbers)
        is_open = any(not 0 <= number <= 1 for number in numbers)
        kind = MetricKind.BINARY if is_binary else MetricKind.UNBOUNDED if is_open else kind
        definition["values"] = kind.value  # told by nothing else
    return Measure(
        name=name,
        kind=kind,
        range=None if kind is MetricKind.UNBOUNDED else span,
        category="model" if base in _JUDGES else "rule",
        definition=definition,
    )


TOOL: Final = Tool(
    name="inspect",
    looks_for="Inspect: a .eval file with header.json, or JSON with version, status and eval",
    fits=fits,
    read=read,
)
