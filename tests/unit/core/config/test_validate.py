"""Validation of a config: one mistake hides no other, and consequences of a mistake are not reported."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from lm_eval_so.core.config.load import read_config, require_valid, take_config
from lm_eval_so.core.config.validate import by_line, validate_parts
from lm_eval_so.core.config.yaml_lines import Located
from lm_eval_so.errors import ConfigError, Problem, Where

HEAD = "version: 1\nsuite: shop\ndataset: {path: data}\n"


def read(folder: Path, text: str, *overrides: str) -> Any:
    file = folder / "lm-eval-so.yaml"
    file.write_text(text, encoding="utf-8")
    return read_config(file, overrides=overrides)


def told(found: Any) -> list[Problem]:
    return by_line(found.problems, found.located.file)


def keys(found: Any) -> list[str | None]:
    return [each.where.key if each.where else None for each in told(found)]


def test_read_config__a_key_that_nearly_has_a_name_is_taken_for_it(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + "backend: {name: openai, parms: {model: m}}\nrun: {sede: x}\n")
    assert keys(found) == ["backend.parms", "run.sede", "run.sede"]
    assert found.value.backend.params == {"model": "m"}
    assert found.value.run.seed == 7


def test_read_config__a_key_that_is_there_is_not_taken_from_another(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + "run: {seeed: 3, seed: 4}\n")
    assert keys(found) == ["run.seeed"]
    assert found.value.run.seed == 4


def test_read_config__what_does_not_fit_is_left_out_and_the_rest_stays(tmp_path: Path) -> None:
    text = HEAD + (
        "metrics:\n  - 3\n  - {name: chrf, pass_if: x}\n  - [a]\n  - {name: regex, onyl: {tags: 3}}\n"
        "plugins: [a.py, 3, b.py]\n"
    )
    found = read(tmp_path, text)
    assert [metric.name for metric in found.value.metrics] == ["chrf", "regex"]
    assert [path.name for path in found.value.plugins] == ["a.py", "b.py"]
    assert keys(found) == [
        "metrics[0]",
        "metrics[1].pass_if",
        "metrics[2]",
        "metrics[3].onyl",
        "metrics[3].onyl.tags",
        "plugins[1]",
    ]


def test_read_config__places_are_those_of_the_file_whatever_was_left_out(tmp_path: Path) -> None:
    text = HEAD + "metrics:\n  - 3\n  - [a]\n  - name: regex\n    parms: {pattern: x}\n"
    config = read(tmp_path, text).value
    assert config.metrics[0].name == "regex"
    where = config.where("metrics", 0, "params", "pattern")
    assert (where.line, where.key) == (8, "metrics[2].parms.pattern")
    assert config.where("metrics", 0, "only").key == "metrics[2].only"


def test_read_config__places_of_what_was_given_on_the_command_line(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD, "metrics=[3, {name: regex, pass_if: x}]")
    assert [p.where for p in told(found)] == [
        Where(file="--set", key="metrics[0]"),
        Where(file="--set", key="metrics[1].pass_if"),
    ]
    assert found.value.where("metrics", 0, "name") == Where(file="--set", key="metrics[1].name")


def test_make_config__names_keys_of_values_that_stand_in_no_file() -> None:
    metrics = [3, {"nmae": "a"}]
    found = take_config({"version": 1, "suite": "s", "dataset": {"path": "d"}, "metrics": metrics})
    assert keys(found) == ["metrics[0]", "metrics[1].nmae"]


def test_read_config__what_follows_from_a_mistake_is_not_told(tmp_path: Path) -> None:
    text = (
        "suite: Shop!\ndataset: [1]\nbackend: {params: 3}\nrun: {timeout_s: 1e999, seed: '${X}'}\n"
    )
    found = read(tmp_path, text)
    assert sorted(map(str, keys(found))) == [
        "backend.name",
        "backend.params",
        "dataset",
        "run.seed",
        "run.timeout_s",
        "suite",
        "version",
    ]
    assert found.value.run.timeout_s == 60
    of_a_check = [Problem(what="no dataset at x", where=Where(key="dataset.path"))]
    assert found.new(of_a_check) == []
    assert found.new([Problem(what="w", where=Where(key="datasets"))]) != []


def test_read_config__all_that_yaml_the_command_line_and_the_environment_say(
    tmp_path: Path,
) -> None:
    text = HEAD + 'suite: two\nsystem: "${NO_SUCH} ${X:-1}"\nrun: {seed: !x 3}\nlangauge: ko\n'
    found = read(tmp_path, text, "nonsense", "run.concurency=3")
    assert [problem.what for problem in told(found)] == [
        'the key "suite" stands twice',
        "the variable NO_SUCH is not set",
        "the tag !x is not known here",
        'unknown key "langauge" (did you mean "language"?)',
        '--set takes key.path=value, found "nonsense"',
        'unknown key "concurency" (did you mean "concurrency"?)',
    ]
    assert found.value.run.concurrency == 3


@pytest.mark.parametrize(
    "name", ["list", "str", "dict", "bool", "a[0]", "[", "1", "null", "2024-01-02"]
)
def test_read_config__a_key_of_any_name_is_unknown_and_no_bug(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, f"{HEAD}'{name}': {{list: [1]}}\nrun: {{'{name}': 1, seed: x}}\n")
    top, inner, seed = told(found)
    assert (top.what, inner.what) == (f'unknown key "{name}"', f'unknown key "{name}"')
    assert (inner.where.line, seed.where.key) == (5, "run.seed")


def test_whole__each_problem_once_by_line(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + "run: {seed: x}\nlangauge: ko\n")
    more = Problem(what="more", where=found.value.where("suite"))
    elsewhere = Problem(what="elsewhere", where=Where(file="b.jsonl", line=1))
    with pytest.raises(ConfigError) as caught:
        require_valid(found, [elsewhere, more, more])
    assert [p.what for p in caught.value.problems] == [
        "more",
        "input should be a valid integer, unable to parse string as an integer, found 'x'",
        'unknown key "langauge" (did you mean "language"?)',
        "elsewhere",
    ]


def test_whole__names_that_a_plugin_may_define_are_told_with_it_alone(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD)
    failed = [Problem(what="the plugin a.py fails", hint="run it"), Problem(what="no such plugin")]
    names = [Problem(what='unknown metric "tone" (did you mean "turns"?)', about="name")] * 2
    with pytest.raises(ConfigError) as caught:
        require_valid(found, names, failed=failed)
    first, last = caught.value.problems
    assert (first, last.hint) == (failed[0], 'a plugin that fails may define metric "tone"')


class Word(BaseModel):
    """A word, in the long form."""

    model_config = ConfigDict(extra="forbid")
    text: str
    weight: float = 1


class Given(BaseModel):
    """Parameters whose values may have several shapes."""

    model_config = ConfigDict(extra="forbid")
    words: list[str | Word] = []
    least: int = 0
    cut: Literal[False] | Annotated[int, Field(ge=3)] = False


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"words": [{"txet": "a"}]}, ['words[0].txet: unknown key "txet" (did you mean "text"?)']),
        ({"words": [{"zzzz": 1, "text": "a"}]}, ['words[0].zzzz: unknown key "zzzz"']),
        ({"words": [3]}, ["words[0]: input should be a valid string, found 3"]),
        ({"cut": 1}, ["cut: input should be False, found 1"]),
        ({"list": 1, "least": "x"}, ['list: unknown key "list"', "least: input should be a valid"]),
    ],
)
def test_make_sound__of_several_shapes_only_the_one_that_is_meant(
    values: dict[str, Any], problems: list[str]
) -> None:
    found = validate_parts(Given, Located(values={}), values=values)
    whats = sorted(f"{p.where.key}: {p.what}" for p in found.problems if p.where)
    assert len(whats) == len(problems)
    assert all(map(str.startswith, whats, sorted(problems)))
    assert isinstance(found.value, Given)


def test_make_sound__gives_up_on_what_is_no_config() -> None:
    values = {f"k{number}": 1 for number in range(5000)}
    found = validate_parts(Given, Located(values={}), values=values)
    assert found.value is None
    assert len(found.problems) == 1000
