"""The config: problems all at once, with line, key and near names."""

from pathlib import Path
from typing import Annotated, Literal

import jsonschema
import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lm_eval_so.core.config.load import config_schema, load_config, make_config
from lm_eval_so.core.config.problems import params_problems
from lm_eval_so.core.config.yaml_lines import read_yaml
from lm_eval_so.core.records.enums import Language, Policy
from lm_eval_so.errors import ConfigError, Problem

MINIMAL = "version: 1\nsuite: shop\ndataset: {path: data}\n"


def write(folder: Path, text: str) -> Path:
    file = folder / "lm-eval-so.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def problems_of(folder: Path, text: str, **more: object) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, text), **more)
    return caught.value.problems


def test_load_config__fills_in_the_documented_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, MINIMAL))
    assert (config.run.concurrency, config.run.timeout_s, config.run.max_attempts) == (16, 60, 5)
    assert config.gate.on_incomparable is Policy.FAIL
    assert config.language is Language.EN
    assert config.report.examples == 20
    assert config.resolve(config.dataset.path) == tmp_path / "data"


def test_load_config__lists_every_problem_with_line_key_and_near_name(tmp_path: Path) -> None:
    text = (
        "version: 1\nsuite: Shop!\nlanguage: no\ndataset: {path: d, nmae: x}\n"
        "metrics:\n  - exact_match\n  - {name: regex, pass_iff: '>= 1'}\nrunn: {}\n"
    )
    found = problems_of(tmp_path, text)
    places = [(p.where.line, p.where.key) for p in found if p.where]
    assert places == [
        (2, "suite"),
        (3, "language"),
        (4, "dataset.nmae"),
        (7, "metrics[1].pass_iff"),
        (8, "runn"),
    ]
    assert 'did you mean "name"?' in found[2].what
    assert 'did you mean "run"?' in found[4].what
    assert "'no'" in found[1].what  # not turned into a boolean


def test_load_config__names_known_keys_where_none_is_near(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, MINIMAL + "report: {zzzz: 1}\n")
    assert problem.hint is not None
    assert "examples" in problem.hint


def test_load_config__refuses_a_key_that_stands_twice(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, MINIMAL + "suite: other\n")
    assert problem.what == 'the key "suite" stands twice'
    assert problem.where is not None
    assert problem.where.line == 4


def test_load_config__points_at_what_is_no_yaml(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, "version: 1\nsuite: [a\n")
    assert problem.what.startswith("no YAML")
    assert problem.where is not None
    assert problem.where.line == 3
    (problem,) = problems_of(tmp_path, MINIMAL + "report: {out: When?}\n")
    assert problem.hint == "put a text that holds a question mark into quotes"


def test_load_config__says_that_the_file_is_missing_and_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no config file") as caught:
        load_config(tmp_path / "nothing.yaml")
    assert "lm-eval-so init" in str(caught.value.problems[0].hint)


def test_load_config__fills_in_the_environment(tmp_path: Path) -> None:
    text = MINIMAL + "backend: {name: openai, params: {model: '${MODEL:-gpt}', top: '${TOP}'}}\n"
    text += (
        "metrics: [{name: llm_judge, params: {rubric: 'Is it ${TOP}?', labels: [a, '${TOP}']}}]\n"
    )
    config = load_config(write(tmp_path, text), environ={"TOP": "3"})
    assert config.backend is not None
    assert config.backend.params == {"model": "gpt", "top": "3"}
    assert config.metrics[0].params == {"rubric": "Is it 3?", "labels": ["a", "3"]}
    problems = problems_of(tmp_path, text)
    assert {problem.what for problem in problems} == {"the variable TOP is not set"}
    assert [problem.where.key for problem in problems if problem.where] == [
        "backend.params.top",
        "metrics[0].params.rubric",
        "metrics[0].params.labels[1]",
    ]


def test_load_config__remembers_what_was_written(tmp_path: Path) -> None:
    text = MINIMAL + 'system: "Du bist ${WHO:-nobody}."\nbackend:\n  name: scripted\n'
    text += '  options: {match: "${MATCH}"}\n'
    overrides = ["backend.options.default=${SAID}", "language=ko"]
    environ = {"SAID": "hi", "MATCH": "text"}
    config = load_config(write(tmp_path, text), environ=environ, overrides=overrides)
    assert config.system == "Du bist nobody."
    assert config.located.written_below("system") == {"Du bist nobody.": "Du bist ${WHO:-nobody}."}
    assert config.backend is not None
    # the shell fills in what is given on the command line
    assert config.backend.options == {"match": "text", "default": "${SAID}"}
    assert config.located.written_below("backend") == {"text": "${MATCH}"}
    again = make_config({"metrics": ["regex"]}, base=config)
    assert again.located.written == config.located.written
    assert again.folder == tmp_path


def test_load_config__an_override_takes_the_place_of_what_was_written(tmp_path: Path) -> None:
    text = MINIMAL + 'system: "${NOT_SET}"\n'
    config = load_config(write(tmp_path, text), overrides=["system=short"])
    assert config.system == "short"
    assert not config.located.written


@pytest.mark.parametrize("text", ["${GITHUB_TOKEN}", "a ${INPUT_X:-b}", "${ACTIONS_RUNTIME_TOKEN}"])
@pytest.mark.parametrize("is_override", [False, True])
def test_load_config__refuses_the_workflows_own_variables(
    tmp_path: Path, text: str, is_override: bool
) -> None:
    environ = {"GITHUB_TOKEN": "ghs-1", "INPUT_X": "ghs-1", "ACTIONS_RUNTIME_TOKEN": "ghs-1"}
    file = MINIMAL + ("" if is_override else f"system: '{text}'\n")
    overrides = [f"system={text}"] if is_override else []
    (problem,) = problems_of(tmp_path, file, environ=environ, overrides=overrides)
    assert problem.what.startswith("a config cannot name the variable ")
    assert problem.where is not None
    assert (problem.where.file == "--set") is is_override
    assert problem.hint is not None
    assert "ghs-1" not in str(problem)


def test_load_config__messages_show_no_secret_of_the_file(tmp_path: Path) -> None:
    text = (
        MINIMAL + "backend: {nam: http, options: {headers: {X-Api-Key: 'abc def'},"
        " url: 'http://u:pw@bot/?sig=xyz&b=1'}}\nrun: {concurrency: '${AUTHV}'}\n"
    )
    found = problems_of(tmp_path, text, environ={"AUTHV": "hush-hush"})
    told = str(found)
    for secret in ("abc def", "u:pw", "xyz", "hush-hush"):
        assert secret not in told
    assert "found '${AUTHV}'" in told
    line = next(p.where for p in found if p.where and p.where.line == 4)
    assert len(line.text or "") == len(text.splitlines()[3])


def test_load_config__refuses_a_key_in_the_file_without_showing_it(tmp_path: Path) -> None:
    key = "sk-" + "a1B2" * 6
    (problem,) = problems_of(tmp_path, MINIMAL + f"system: {key}\n")
    assert problem.what == "this looks like a key"
    assert key not in str(problem)


def test_load_config__takes_overrides(tmp_path: Path) -> None:
    overrides = ["run.concurrency=4", "backend={name: scripted}", "report.by=[product]"]
    config = load_config(write(tmp_path, MINIMAL), overrides=overrides)
    assert config.run.concurrency == 4
    assert config.backend is not None
    assert config.backend.name == "scripted"
    assert config.report.by == ["product"]


@pytest.mark.parametrize(
    "text", ["nonsense", "=1", ".={}", "metrics[3].name=x", f"metrics[{'9' * 5000}].name=x", "a=[b"]
)
def test_load_config__refuses_an_override_without_key_or_place(tmp_path: Path, text: str) -> None:
    (problem,) = problems_of(tmp_path, MINIMAL, overrides=[text])
    assert "--set" in problem.what


def test_load_config__what_is_overridden_need_not_be_set(tmp_path: Path) -> None:
    backend = 'backend: {name: http, options: {url: "${NOT_SET}/chat", method: "${METHOD}"}}'
    file = write(tmp_path, MINIMAL + backend)
    with pytest.raises(ConfigError, match="NOT_SET is not set"):
        load_config(file, environ={"METHOD": "GET"})
    overrides = ["backend.options.url=http://bot/${x}"]
    config = load_config(file, overrides=overrides, environ={"METHOD": "GET"})
    assert config.backend
    assert config.backend.options == {"url": "http://bot/${x}", "method": "GET"}


def test_load_config__says_that_an_override_is_unknown(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, MINIMAL, overrides=["run.concurency=4"])
    assert 'did you mean "concurrency"?' in problem.what


def test_metric_ids__default_to_the_name(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, MINIMAL + "metrics: [exact_match, 'pkg.mod:Mine']\n"))
    assert [m.id for m in config.metrics] == ["exact_match", "Mine"]


def test_run_label__is_name_and_model_and_safe_as_a_folder() -> None:
    values = {"version": 1, "suite": "s", "dataset": {"path": "d"}}
    config = make_config({**values, "backend": {"name": "openai", "params": {"model": "a/b:c"}}})
    assert config.backend is not None
    assert config.backend.run_label == "openai_a-b-c"


def test_load_config__an_override_reaches_into_the_short_form_of_a_metric(tmp_path: Path) -> None:
    text = MINIMAL + "metrics: [regex]\n"
    config = load_config(write(tmp_path, text), overrides=["metrics[0].params={pattern: x}"])
    assert (config.metrics[0].name, config.metrics[0].params) == ("regex", {"pattern": "x"})


def test_load_config__a_bad_override_points_at_the_command_line(tmp_path: Path) -> None:
    text = MINIMAL + "run: {concurrency: 4}\n"
    (problem,) = problems_of(tmp_path, text, overrides=["run.concurrency=none"])
    assert problem.where is not None
    assert (problem.where.file, problem.where.line) == ("--set", None)


def test_config_schema__accepts_the_quickstarts_own_config() -> None:
    file = Path(__file__).parents[4] / "example/quickstart/lm-eval-so.yaml"
    jsonschema.validate(read_yaml(file).values, config_schema())
    short = {"version": 1, "suite": "s", "dataset": {"path": "d"}, "metrics": ["exact_match"]}
    jsonschema.validate(short, config_schema())


class Long(BaseModel):
    """One shape."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["long"]
    max: int = 0
    unit: Literal["short", "words"] = "words"


class Short(BaseModel):
    """Another shape."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["short"]
    least: int = 0


class Shapes(BaseModel):
    """Parameters with shapes that the key `type` tells apart."""

    checks: tuple[Annotated[Long | Short, Field(discriminator="type")], ...]


@pytest.mark.parametrize(
    ("check", "what", "hint"),
    [
        ({"type": "lnog"}, 'p.checks[0]: unknown type "lnog" (did you mean "long"?)', None),
        ({"type": "x"}, 'p.checks[0]: unknown type "x"', "known here: long, short"),
        ({"max": 1}, 'p.checks[0]: the key "type" is missing', None),
        (
            {"type": "short", "leest": 1},
            'p.checks[0].leest: unknown key "leest" (did you mean "least"?)',
            None,
        ),
        (
            {"type": "short", "max": 1},
            'p.checks[0].max: unknown key "max"',
            "known here: least, type",
        ),
    ],
)
def test_params_problems__of_one_of_several_shapes(
    check: dict[str, object], what: str, hint: str | None
) -> None:
    with pytest.raises(ValidationError) as caught:
        Shapes.model_validate({"checks": [check]})
    found = params_problems(caught.value, Shapes, at="p", values={"checks": [check]})
    assert found == [Problem(what=what, hint=hint)]


def test_load_config__text_of_a_wrong_form_is_told_with_what_the_key_means(tmp_path: Path) -> None:
    text = MINIMAL + 'metrics: [{name: chrf, pass_if: "more than 3"}]\n'
    (problem,) = problems_of(tmp_path, text)
    assert problem.what.endswith("found 'more than 3'")
    assert problem.hint is not None
    assert problem.hint.startswith('condition of passing, as ">= 0.8"')


def test_load_config__suggests_keys_below_a_name_of_ones_own(tmp_path: Path) -> None:
    text = MINIMAL + "gate: {metrics: {도움됨: {margn: 0.1}, margin: {zzzz: 1}}}\n"
    near, far = problems_of(tmp_path, text)
    assert near.what == 'unknown key "margn" (did you mean "margin"?)'
    assert far.hint == "known here: margin, max, max_increase, min, rule, statistic"


def test_load_config__says_what_to_write_for_a_key_that_is_missing(tmp_path: Path) -> None:
    path, version = problems_of(tmp_path, "suite: shop\ndataset: {}\nbackend: {name: scripted}\n")
    assert (version.what, version.hint) == ('the key "version" is missing', "write version: 1")
    assert path.what == 'the key "path" is missing'
    assert path.hint is not None
    assert path.hint.startswith("folder with test.jsonl")
    (name,) = problems_of(tmp_path, MINIMAL + "backend: {}\n")
    assert name.hint is not None
    assert "\n" not in name.hint


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        ("suite: 고객지원", "found '고객지원'", "lower-case letters, digits and . _ -"),
        ("metrics: exact_match", "input should be a list", "write it as a list: [exact_match]"),
        ("report: {formats: md}", "input should be a list", "write it as a list: [md]"),
    ],
)
def test_load_config__says_what_may_stand_there(
    tmp_path: Path, line: str, what: str, hint: str
) -> None:
    key = line.partition(":")[0]
    kept = [each for each in MINIMAL.splitlines() if not each.startswith(key)]
    (problem,) = problems_of(tmp_path, "\n".join([*kept, line, ""]))
    assert what in problem.what
    assert problem.hint is not None
    assert problem.hint.endswith(hint)


def test_load_config__names_the_file_that_may_be_meant(tmp_path: Path) -> None:
    file = write(tmp_path, MINIMAL)
    with pytest.raises(ConfigError, match="no config file") as caught:
        load_config(tmp_path / "lm-eval-so.yml")
    assert caught.value.problems[0].hint == f"did you mean {file}? Name it by -c FILE"
    with pytest.raises(ConfigError, match="is a folder") as caught:
        load_config(tmp_path)
    assert str(file) in str(caught.value.problems[0].hint)


@pytest.mark.parametrize("folder", ["missing", "file", "closed"])
def test_load_config__says_that_there_is_none_where_nobody_can_look(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "closed").mkdir(mode=0o300)  # root may look all the same
    with pytest.raises(ConfigError, match="no config file") as caught:
        load_config(tmp_path / folder / "설정.yaml")
    assert "name it by -c FILE" in str(caught.value.problems[0].hint)
