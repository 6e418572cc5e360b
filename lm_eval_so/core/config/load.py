"""Reading of `lm-eval-so.yaml`: YAML with lines, `--set`, `${NAME}`, models; all problems at once."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.validate import Validated, by_line, lies_in, validate_parts
from lm_eval_so.core.config.variables import fill_in, shown_lines
from lm_eval_so.core.config.yaml_lines import Located, Path_, parse_parts, parse_yaml
from lm_eval_so.core.files import read_text
from lm_eval_so.core.records.field_texts import DescribedSchema
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import ConfigError, InputError, Problem, UsageError, Where, nearest

_SCHEMA_ID = "https://mackim-3768.github.io/lm-eval-so/schema/config-1.json"
_SMALLEST = "it begins with version: 1, suite: NAME and dataset: {path: FOLDER}"
_YAML_ENDS = {".yaml", ".yml"}
_PATH = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[\d{1,9}\])*")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d{1,9})\]")


def read_config(
    path: Path,
    *,
    overrides: Sequence[str] = (),
    rewritten: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    content: str | None = None,
) -> Validated[Config]:
    """Read the valid parts of a config file, and find the problems of the rest.

    Args:
        path: The file.
        overrides: `key.path=value` texts that override the file; values are YAML.
        rewritten: Texts in the same form, applied first, whose values derive from the file:
            variables in them are filled in.
        environ: Environment for `${NAME}` and `${NAME:-default}`.
        content: Content of the file in another commit, instead of the present one.

    Raises:
        InputError: If the file cannot be read.
        ConfigError: If it is not YAML, or not a mapping.
    """
    if content is None:
        if not path.is_file():
            raise _no_config(path)
        content = read_text(path)
    located, problems = parse_parts(content, file=str(path))
    if located.values is None:
        raise ConfigError("the file is empty", where=Where(file=str(path)), hint=_SMALLEST)
    if not isinstance(located.values, dict):
        where = Where(file=str(path), line=1)
        raise ConfigError.of([*problems, Problem(what="not a mapping of keys", where=where)])
    values = located.values
    for text in rewritten:
        values, _ = override_value(values, text)
    for text in overrides:
        try:
            values, at = override_value(values, text)
        except InputError as error:
            problems += error.problems
        else:
            located = replace(located, overridden=located.overridden | {at})
    _refuse_keys(located, problems)
    located = replace(located, values=values, lines=tuple(shown_lines(located)))
    return _make(fill_in(located, environ or {}, problems), path.parent, problems)


def load_config(
    path: Path, *, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Config:
    """Read a config file; arguments as for `read_config`.

    Raises:
        InputError: If the file cannot be read.
        ConfigError: With every problem of the file, its line and key.
    """
    return require_valid(read_config(path, overrides=overrides, environ=environ))


def make_config(
    values: Mapping[str, Any], *, folder: Path = Path(), base: Config | None = None
) -> Config:
    """Make a config of values instead of a file; arguments and errors as in `take_config`, `load_config`."""
    return require_valid(take_config(values, folder=folder, base=base))


def take_config(
    values: Mapping[str, Any],
    *,
    folder: Path = Path(),
    base: Config | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Validated[Config]:
    """Make a config of the valid parts of values instead of a file.

    Args:
        values: The values.
        folder: Base of relative paths.
        base: Config that supplies the folder and the sections missing in the values.
        overrides: `key.path=value` texts that override the values.
        environ: Environment for `${NAME}` and `${NAME:-default}`.
    """
    problems: list[Problem] = []
    for text in overrides:
        try:
            values, _ = override_value(dict(values), text)
        except InputError as error:
            problems += error.problems
    located = fill_in(Located(values=dict(values)), environ or {}, problems)
    if base is None:
        return _make(located, folder, problems)
    kept = {at: each for at, each in base.located.written.items() if at[0] not in values}
    both = {**base.located.values, **located.values}
    located = replace(located, values=both, written={**kept, **located.written})
    return _make(located, base.folder, problems)


def require_valid(
    read: Validated[Config], found: Iterable[Problem] = (), *, failed: Sequence[Problem] = ()
) -> Config:
    """Return the config if there are no problems.

    Args:
        read: Result of reading.
        found: Problems found by checks of the config.
        failed: Problems of plugins that failed to load, so that the names they define are unknown.

    Raises:
        ConfigError: With all problems, each once, by line.
    """
    of_checks: list[Problem] = []
    try:
        of_checks.extend(found)
    except InputError as error:
        of_checks.extend(error.problems)
    except OSError as error:  # a path that the machine does not take
        what = f"cannot use {error.filename}: {error.strerror}"
        of_checks.append(Problem(what=what))
    if failed:
        names = [each for each in of_checks if each.about == "name"]
        of_checks = [each for each in of_checks if each.about != "name"]
        failed = [*failed[:-1], _with_names(failed[-1], names)]
    problems = [*read.problems, *failed, *read.new(of_checks)]
    if read.value is None or problems:
        raise ConfigError.of(by_line(problems, read.located.file))
    return read.value


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema of the config file."""
    schema = TypeAdapter(Config).json_schema(schema_generator=DescribedSchema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": _SCHEMA_ID, **schema}


def _with_names(failed: Problem, names: Sequence[Problem]) -> Problem:
    """Add the unknown names to the problem of a failed plugin, which may define them."""
    if not names:
        return failed
    told = [each.what.removeprefix("unknown ").partition(" (")[0] for each in names]
    may_be = f"a plugin that fails may define {', '.join(dict.fromkeys(told))}"
    return replace(failed, hint=f"{failed.hint}; {may_be}" if failed.hint else may_be)


def _no_config(path: Path) -> ConfigError:
    if path.is_dir():
        what = f"{path} is a folder, not a config file"
        return ConfigError(what, hint=f"name the file in it, as {path / CONFIG_FILE}")
    close = nearest(path.name, sorted(_yaml_files(path.parent)))
    hint = (
        "lm-eval-so init FILE --url URL writes one from your questions or documents and your chatbot; "
        "or name it by -c FILE"
    )
    if close:
        hint = f"did you mean {path.parent / close}? Name it by -c FILE"
    return ConfigError(f"no config file {path}", hint=hint)


def _yaml_files(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir() if each.suffix in _YAML_ENDS]
    except OSError:  # there is none, or nobody may look into it
        return []


def _make(located: Located, folder: Path, problems: Sequence[Problem]) -> Validated[Config]:
    values = {key: value for key, value in located.values.items() if key != "$schema"}
    reported = {each.where.key for each in problems if each.where and each.where.key}
    made = validate_parts(Config, located, values=values)
    return Validated(
        value=made.value and made.value.placed(made.located, folder),
        located=made.located,
        problems=(*problems, *(each for each in made.problems if not lies_in(each, reported))),
        reported=made.reported | reported,
    )


def _refuse_keys(located: Located, problems: list[Problem]) -> None:
    redactor = make_redactor({})
    for number, line in enumerate(located.lines, start=1):
        clean, found = redactor.redact_counting(line)
        if found:
            where = Where(file=located.file, line=number, text=clean)
            hint = "put it into an environment variable and name that by api_key_env"
            problems.append(Problem(what="this looks like a key", where=where, hint=hint))


def override_value(values: dict[str, Any], text: str) -> tuple[dict[str, Any], Path_]:
    """Set one value of a config.

    Args:
        values: Values of the file.
        text: `key.path=value`; the value is YAML.

    Returns:
        The changed values, and the path of the value.

    Raises:
        UsageError: If the text has another form, or names a missing item.
    """
    path, equals, raw = text.partition("=")
    bad_form = f'--set takes key.path=value, found "{path}{"=…" if equals else ""}"'
    if not equals or not _PATH.fullmatch(path.strip()):
        raise UsageError(bad_form)
    try:
        value = parse_yaml(raw, file="--set").values
    except ConfigError as error:
        raise UsageError(f"--set {path}: {error}") from None
    steps: list[str | int] = [m[1] or int(m[2]) for m in _STEP.finditer(path.strip())]
    changed: dict[str, Any] = _with(values, steps, value, path)
    return changed, tuple(steps)


def _with(container: Any, steps: Sequence[str | int], value: Any, path: str) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        if not isinstance(container, list) or step >= len(container):
            raise UsageError(f"--set {path}: there is no item {step}")
        return [_with(v, rest, value, path) if i == step else v for i, v in enumerate(container)]
    # a text is the short form of a metric
    inner = {"name": container} if isinstance(container, str) else container
    inner = inner if isinstance(inner, dict) else {}
    return {**inner, step: _with(inner.get(step), rest, value, path)}
