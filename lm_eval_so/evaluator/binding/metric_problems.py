"""Mistakes in the metrics of a config and in the samples, found before anything is spent."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import ValidationError

from lm_eval_so.core.asking.open import backend_problems, batch_problems
from lm_eval_so.core.config.model import Config, MetricSection
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import InputError, LMEvalError, Problem, nearest, refuse
from lm_eval_so.evaluator.binding.bind import make_metric, sound_metrics, valid_params
from lm_eval_so.evaluator.binding.bound import BoundMetric, parse_pass_if
from lm_eval_so.evaluator.binding.embedders import missing_extra
from lm_eval_so.evaluator.metrics.base import Metric, is_given, metrics, need_text
from lm_eval_so.evaluator.rows.join import load_samples

_MOST_PROBLEMS = 1000


def check_metrics(config: Config, environ: Mapping[str, str] | None) -> list[Problem]:
    """Find what is wrong with metrics, gate and judges; arguments as of `backend_problems`."""
    return [
        *find_problems(config),
        *(
            problem
            for metric in config.metrics
            for section in metric.judges
            for problem in backend_problems(section, config=config, environ=environ)
        ),
        *(
            problem
            for position, metric in enumerate(config.metrics)
            if metric.judge.executor == "batch"
            for problem in _batch_problems(config, environ, position, metric)
        ),
    ]


def refuse_unsound(config: Config) -> None:
    """Stop here if metrics or gate have problems.

    Raises:
        ConfigError: With every problem.
    """
    refuse(find_problems(config))


def find_problems(config: Config) -> list[Problem]:
    """Find what is wrong with the metrics and the gate, each with its line."""
    problems: list[Problem] = []
    if not config.metrics:
        hint = "name at least one, as exact_match"
        where = config.where("metrics")
        lacking = Problem(what="no metrics", where=where, hint=hint, about="surroundings")
        problems.append(lacking)
    problems += _id_problems(config)
    for position, section in enumerate(config.metrics):
        problems += _metric_problems(config, position, section)
    problems += _part_problems(config, dict(sound_metrics(config)))
    problems += _gate_problems(config)
    return problems


def dataset_problems(config: Config) -> Iterator[Problem]:
    """Find what is wrong with samples, and with metrics whose parameters no sample gives.

    Without a dataset nothing is found. A metric with problems of its own is left out.
    """
    if not config.resolve(config.dataset.path).exists():
        return
    try:
        dataset = load_samples(config)
    except InputError as error:
        yield from error.problems
        return
    bound = [
        (position, each)
        for position, each in sound_metrics(config)
        if each.metric.given == config.metrics[position].params
    ]
    lacking = [each for position, one in bound if (each := _Lacking(position, one)).needs]
    checked = [each for _, each in bound]
    checks_all = any(each.metric.checks_every_sample for each in checked)
    problems: list[Problem] = []
    is_told = bool(checked) and (dataset.sets_metrics or checks_all)
    for sample in dataset if is_told or lacking else ():
        if sample.metrics or checks_all:
            problems += [found for each in checked for found in each.sample_problems(sample)]
        lacking = [each for each in lacking if not each.is_met_by(sample)]
    yield from problems[:_MOST_PROBLEMS]
    yield from (each.problem(config) for each in lacking if each.could_score)


class _Lacking:
    """A metric with parameters that the config does not give, so that samples must.

    Args:
        position: Position of the metric in the config.
        bound: The metric.
    """

    def __init__(self, position: int, bound: BoundMetric) -> None:
        self.needs = [
            need
            for need in bound.sample_needs
            if need.startswith("params.") and not is_given(bound.metric.params, need)
        ]
        self.could_score = False
        """Whether a sample has all but these parameters."""
        self._position, self._bound = position, bound

    def is_met_by(self, sample: TestSample) -> bool:
        """Return whether a sample gives the parameters."""
        try:
            lacks = {*self._bound.missing_needs(sample)}
        except ValidationError:  # told with the sample
            return True
        is_suited = self._bound.is_meant(sample) and lacks <= {*self.needs}
        self.could_score = self.could_score or is_suited
        return is_suited and not lacks

    def problem(self, config: Config) -> Problem:
        """Return the problem of parameters that are missing everywhere."""
        needed, name = " and ".join(map(need_text, self.needs)), self._bound.id
        what = f"{name} needs {needed}, which neither the config nor any sample gives"
        example = self.needs[0].removeprefix("params.").partition("|")[0]
        hint = (
            f"give it here, as params: {{{example}: …}}, or as metrics.{name}.{example} in samples"
        )
        return Problem(
            what=what, where=config.where("metrics", self._position, "params"), hint=hint
        )


def _id_problems(config: Config) -> Iterator[Problem]:
    ids = [section.id for section in config.metrics]
    for position, metric_id in enumerate(ids):
        if metric_id in ids[:position]:
            what = f'two metrics have the id "{metric_id}"'
            where = config.where("metrics", position, "id")  # one that was refused is told already
            yield Problem(what=what, where=where, hint="give one another `id`")


def _metric_problems(config: Config, position: int, section: MetricSection) -> Iterator[Problem]:
    try:
        found = metrics.resolve(section.name, where=config.where("metrics", position, "name"))
    except InputError as error:
        yield from error.problems
        return
    yield from _judge_problems(found, config, position, section)
    if section.pass_if is not None:
        try:
            parse_pass_if(section.pass_if)
        except ValueError:
            where = config.where("metrics", position, "pass_if")
            yield Problem(what=f'"{section.pass_if}" is no comparison with a number', where=where)
    params = valid_params(config, position, found)
    yield from params.problems
    if params.value is None:
        return
    try:
        sound = section.model_copy(update={"params": params.values})
        metric = make_metric(found, config, sound)
        problems = metric.check_params()
        digest(metric.definition())  # the report needs it: better now than after all is paid
    except InputError as error:
        yield from error.problems
    except LMEvalError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
        if not params.problems:  # with a mistake in its parameters it may well fail
            what = f"the metric {section.id} fails: {type(error).__name__}: {error}"
            yield Problem(what=what, where=config.where("metrics", position))
    else:
        if "judge" in metric.requires - found.requires and not section.judges:
            yield _no_judge(config, position, section)
        for problem in () if params.reported else problems:
            key = (problem.where and problem.where.key) or ""
            path = key.split(".") if key.startswith(("judge.", "params.")) else ["params"]
            yield replace(problem, where=config.where("metrics", position, *path))


def _judge_problems(
    found: type[Metric], config: Config, position: int, section: MetricSection
) -> Iterator[Problem]:
    if "judge" in found.requires and not section.judges:
        yield _no_judge(config, position, section)
    if section.backend is not None and section.panel:
        where = config.where("metrics", position, "panel")
        yield Problem(what="give either backend or panel", where=where)
    elif section.judge.quorum is not None and section.judge.quorum > max(1, len(section.panel)):
        what = "judge.quorum is more than the judges that there are"
        yield Problem(what=what, where=config.where("metrics", position, "judge", "quorum"))
    if "embedder" in found.requires:
        yield from _embedder_problems(config, position, section)
        return
    for path, judge in section.backend_sections():
        where = config.where("metrics", position, *path)
        if judge.options.get("api") == "embeddings":
            yield Problem(what="a judge cannot answer by embeddings", where=where)
    for number, judge in enumerate(section.panel):
        if judge in section.panel[:number]:
            hint = "the cache would give both one answer; name another model, or another seed"
            where = config.where("metrics", position, "panel", number)
            yield Problem(what="this judge sits on the panel twice", where=where, hint=hint)


def _batch_problems(
    config: Config, environ: Mapping[str, str] | None, position: int, section: MetricSection
) -> Iterator[Problem]:
    """Find what keeps the judges of a metric from being asked by batch."""
    key = ("metrics", position, "judge", "executor")
    where = config.where(*key)
    if not section.judges:
        what, hint = f"{section.id} names no judge to ask by batch", "give it a backend"
        yield Problem(what=what, where=where, hint=hint)
    elif section.judges[0].options.get("api") == "embeddings":
        what, hint = "an embedder is not asked by batch", "leave executor out"
        yield Problem(what=what, where=where, hint=hint)
        return
    told = [
        problem
        for judge in section.judges
        for problem in batch_problems(
            judge, config=config, environ=environ, key=key, needs_cache=True
        )
    ]
    yield from dict.fromkeys(told)  # of a panel all may say the same


def _no_judge(config: Config, position: int, section: MetricSection) -> Problem:
    hint = "add a backend, as {name: openai, params: {model: …}}"
    where = config.where("metrics", position)
    return Problem(what=f"the metric {section.id} needs a judge", where=where, hint=hint)


def _embedder_problems(config: Config, position: int, section: MetricSection) -> Iterator[Problem]:
    at = config.where("metrics", position)
    if not section.judges:
        missing = missing_extra(section.id)
        if missing is not None:
            yield replace(missing, where=at)
    elif section.panel:
        yield Problem(what=f"{section.id} takes one backend, no panel", where=at)
    elif section.judges[0].options.get("api") != "embeddings":
        what = f"the backend of {section.id} gives no embeddings"
        hint = "name openai, or what speaks like it, and set options.api: embeddings"
        yield Problem(what=what, where=config.where("metrics", position, "backend"), hint=hint)


def _gate_problems(config: Config) -> Iterator[Problem]:
    known = [section.id for section in config.metrics]
    for name in config.gate.metrics or {}:
        if name not in known:
            close = nearest(name, known)
            what = f'gate.metrics names "{name}", which is no metric here'
            yield Problem(
                what=what + (f' (did you mean "{close}"?)' if close else ""),
                where=config.where("gate", "metrics", name),
                hint=None if close or not known else f"metrics here: {', '.join(known)}",
            )


def _part_problems(config: Config, bound: Mapping[int, BoundMetric]) -> Iterator[Problem]:
    """Find what is wrong with the parts of metrics: ids, circles, kinds.

    Args:
        config: The config.
        bound: The metrics by position, without their parts, as far as they could be made.
    """
    by_id = {each.id: each for each in bound.values()}
    known = [section.id for section in config.metrics]
    for position, each in bound.items():
        where = config.where("metrics", position, "params")
        for part in each.metric.part_ids:
            if part not in known:
                close = nearest(part, [name for name in known if name != each.id])
                what = f'{each.id} is built from "{part}", which is no metric here'
                yield Problem(
                    what=what + (f' (did you mean "{close}"?)' if close else ""),
                    where=where,
                    hint=None if close else f"metrics here: {', '.join(known)}",
                )
                continue
            circle = _circle(each.id, part, by_id)
            if circle:
                what = f"{each.id} is built from itself: {' → '.join(circle)}"
                yield Problem(what=what, where=where)
            elif part in by_id:
                yield from _fit(each.metric, by_id[part], config, position)


def _fit(metric: Metric, part: BoundMetric, config: Config, position: int) -> Iterator[Problem]:
    why = metric.check_part(part.metric, decides=part.decides)
    if why is not None:
        what = f"{metric.id} cannot be built from {part.id}: it {why}"
        yield Problem(what=what, where=config.where("metrics", position, "params"))


def _circle(start: str, part: str, by_id: Mapping[str, BoundMetric]) -> list[str]:
    """Return the path from a metric by a part back to itself; empty if none exists."""
    ways = [[start, part]]
    seen = {part}
    while ways:
        way = ways.pop()
        if way[-1] == start:
            return way
        each = by_id.get(way[-1])
        for following in each.metric.part_ids if each else ():
            if following == start or following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []
