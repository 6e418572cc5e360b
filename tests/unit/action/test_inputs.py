from pathlib import Path

import pytest

from lm_eval_so.action.inputs import (
    INPUTS,
    BaselineInputs,
    BaselineSource,
    BaselineStore,
    CommentMode,
    Generate,
    MissingSecrets,
    ShowAnswers,
    UpdateBaseline,
    read_inputs,
    read_usable_inputs,
)
from lm_eval_so.action.outputs import OUTPUT_NAMES
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.config.yaml_lines import read_yaml
from lm_eval_so.errors import UsageError
from lm_eval_so.pipeline.github.matrix import asked_part
from lm_eval_so.pipeline.measure.plan import AskedPart

ROOT = Path(__file__).parents[3]
CONFIG = """
version: 1
suite: one
dataset: {path: data.jsonl}
metrics: [exact_match]
"""


def read(tmp_path, **inputs):
    environ = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
    return read_inputs(environ, workspace=tmp_path)


def test_read_inputs__nothing_given(tmp_path):
    inputs = read(tmp_path)
    assert inputs.overrides == ()
    assert (inputs.folder, inputs.config_file) == (tmp_path, tmp_path / "lm-eval-so.yaml")
    assert inputs.baseline == BaselineInputs(
        report=None,
        source=BaselineSource.AUTO,
        workflow="",
        max_ancestors=20,
        update=UpdateBaseline.NEVER,
        store=None,
    )
    assert inputs.report_dir == tmp_path / "lm-eval-so-report"
    assert (inputs.generate, inputs.publishing.comment) == (Generate.MISSING, CommentMode.ALWAYS)
    assert (inputs.publishing.is_comment_required, inputs.publishing.max_chars) == (False, 60_000)
    assert (inputs.publishing.job_summary, inputs.publishing.max_annotations) == (True, 10)
    assert (inputs.secrets.on_missing, inputs.publishing.pr_number) == (MissingSecrets.SKIP, None)
    assert (inputs.secrets.github_token, inputs.secrets.openai_api_key, inputs.suite_id) == (
        None,
        None,
        None,
    )
    assert inputs.warnings == ()


def test_read_inputs__empty_is_not_given(tmp_path):
    assert read(tmp_path, **dict.fromkeys(INPUTS, "")) == read(tmp_path)


def test_read_inputs__overrides_reach_the_config(tmp_path):
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    inputs = read(
        tmp_path,
        suite="two",
        dataset="데이터/test set.jsonl",
        repeats="3",
        concurrency="8",
        confirm="2",
        max_cost_usd="2.50",
        timeout_minutes="0.5",
        target_url="http://127.0.0.1:8000/v1?a=b",
        baseline_path="baselines/a.json",
        baseline_ref="v1",
        artifact_name="reports of main",
        on_inconclusive="fail",
        on_missing_baseline="pass",
        on_incomparable="warn",
        language="ko",
    )
    config = load_config(tmp_path / "lm-eval-so.yaml", overrides=inputs.overrides)
    assert config.suite == "two"
    assert config.dataset.path == Path("데이터/test set.jsonl")
    assert (config.run.repeats, config.run.concurrency) == (3, 8)
    assert (config.baseline.path, config.baseline.ref) == (Path("baselines/a.json"), "v1")
    assert config.baseline.artifact_name(config.suite) == "reports of main"
    gate = config.gate
    assert (gate.on_inconclusive, gate.on_missing_baseline) == ("fail", "pass")
    assert (gate.confirm, config.run.max_cost_usd, config.run.max_time_s) == (2, 2.5, 30)
    assert (gate.on_incomparable, config.language) == ("warn", "ko")
    assert inputs.target_url == "http://127.0.0.1:8000/v1?a=b"


@pytest.mark.parametrize(
    "url",
    [
        "bot:8080",
        "bot.example.com/v1",
        "https://",
        "https:///v1",
        "a b",
        "https://${OPENAI_API_KEY}.example",
        "http://[::1",
        "http://bot:port/v1",
        "http://bot:99999",
    ],
)
def test_read_inputs__target_url_that_is_no_address(tmp_path, url: str):
    with pytest.raises(UsageError, match="input target_url: that is no address") as failed:
        read(tmp_path, target_url=url)
    assert "https://host" in (failed.value.problems[0].hint or "")


def test_read_inputs__a_value_is_never_read_as_yaml(tmp_path):
    assert read(tmp_path, suite="{a: 1}").overrides == ('suite="{a: 1}"',)


def test_read_inputs__options(tmp_path):
    inputs = read(
        tmp_path,
        working_directory="sub",
        config="conf/a.yaml",
        baseline="b.json",
        baseline_source="git",
        baseline_workflow=".github/workflows/measure.yml",
        baseline_max_ancestors="0",
        update_baseline="always",
        baseline_store="file",
        report_dir="out",
        comment="on_failure",
        comment_required="true",
        comment_max_chars="5000",
        pr_number="7",
        job_summary="false",
        max_annotations="0",
        on_missing_secrets="fail",
        generate="never",
        suite_id="mine",
        github_token="t",
        openai_api_key="k",
    )
    sub = tmp_path / "sub"
    assert inputs.baseline == BaselineInputs(
        report=sub / "b.json",
        source=BaselineSource.GIT,
        workflow="measure.yml",
        max_ancestors=0,
        update=UpdateBaseline.ALWAYS,
        store=BaselineStore.FILE,
    )
    assert (inputs.folder, inputs.config_file) == (
        sub,
        sub / "conf/a.yaml",
    )
    assert inputs.report_dir == tmp_path / "out"
    assert (inputs.publishing.comment, inputs.generate) == (CommentMode.ON_FAILURE, Generate.NEVER)
    assert (inputs.publishing.is_comment_required, inputs.publishing.max_chars) == (True, 5000)
    assert (
        inputs.publishing.pr_number,
        inputs.publishing.job_summary,
        inputs.publishing.max_annotations,
    ) == (7, False, 0)
    assert (inputs.secrets.on_missing, inputs.suite_id) == (MissingSecrets.FAIL, "mine")
    assert (inputs.secrets.github_token, inputs.secrets.openai_api_key) == ("t", "k")


@pytest.mark.parametrize("most", ["3999", "65001"])
def test_read_inputs__a_comment_that_may_not_fit(tmp_path, most):
    with pytest.raises(UsageError, match=f'comment_max_chars: "{most}" is not allowed'):
        read(tmp_path, comment_max_chars=most)
    assert read(tmp_path, comment_max_chars="4000").publishing.max_chars == 4000


def test_read_usable_inputs__defaults_in_the_place_of_bad_values(tmp_path):
    given = {"comment": "sometimes", "pr_number": "x", "config": "../a", "suite_id": "mine"}
    environ = {f"INPUT_{name.upper()}": value for name, value in given.items()}
    inputs = read_usable_inputs(environ, workspace=tmp_path)
    assert (inputs.publishing.comment, inputs.publishing.pr_number, inputs.suite_id) == (
        "always",
        None,
        "mine",
    )
    assert inputs.config_file == tmp_path / "lm-eval-so.yaml"
    assert read_usable_inputs({}, workspace=tmp_path) == read(tmp_path)


def test_read_inputs__secrets_are_not_shown(tmp_path):
    inputs = read(tmp_path, github_token="ghs_hunter2", openai_api_key="sk-hunter2")
    assert "hunter2" not in repr(inputs)


def test_read_inputs__all_problems_at_once(tmp_path):
    with pytest.raises(UsageError) as caught:
        read(
            tmp_path,
            generate="sometimes",
            comment_required="yes",
            repeats="three",
            max_annotations="11",
            config="../outside.yaml",
            on_incomparable="pass",
        )
    assert [problem.what for problem in caught.value.problems] == [
        'input generate: "sometimes" is not allowed',
        'input on_incomparable: "pass" is not allowed',
        'input comment_required: "yes" is not allowed',
        'input repeats: "three" is not allowed',
        'input max_annotations: "11" is not allowed',
        'input config: "../outside.yaml" is outside the workspace',
    ]
    assert [problem.hint for problem in caught.value.problems][2:5] == [
        "use true, false",
        "use a whole number, 1 to 1000",
        "use a whole number, 0 to 10",
    ]


@pytest.mark.parametrize("value", ["-1", "1.5", "٣", "1_0", "0"])
def test_read_inputs__numbers_are_strict(tmp_path, value):
    with pytest.raises(UsageError, match="repeats"):
        read(tmp_path, repeats=value)


@pytest.mark.parametrize("value", ["-1", "0", "0.0", "1e3", "nan", ".5", "٣", "1000001"])
def test_read_inputs__amounts_are_above_0(tmp_path, value):
    with pytest.raises(UsageError) as failed:
        read(tmp_path, max_cost_usd=value, timeout_minutes=value)
    assert [problem.what for problem in failed.value.problems] == [
        f'input {name}: "{value}" is not allowed' for name in ("max_cost_usd", "timeout_minutes")
    ]


@pytest.mark.parametrize("name", ["config", "baseline", "report_dir", "working_directory"])
@pytest.mark.parametrize("kind", ["absolute", "link"])
def test_read_inputs__paths_stay_in_the_workspace(tmp_path, name, kind):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "link").symlink_to(tmp_path)
    value = "/etc" if kind == "absolute" else "link/x"
    with pytest.raises(UsageError, match="outside the workspace"):
        read(workspace, **{name: value})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"shard": "5/4"}, ['shard: "5/4" is no shard']),
        ({"shard": "2"}, ['shard: "2" is no shard']),
        ({"shard": "1/4", "command": "merge", "merge_glob": "a"}, ["shard: only command: ci"]),
        ({"shard": "1/4", "show_answers": "none"}, ["shard: its answers are written"]),
        (
            {"command": "comment", "show_answers": "none"},
            ["show_answers: command: comment shows what its artifact has"],
        ),
        ({"command": "merge"}, ["merge_glob: command: merge needs it"]),
        ({"merge_glob": "../shards/*"}, ['merge_glob: "../shards/*" is outside']),
        ({"merge_glob": "/shards/*"}, ['merge_glob: "/shards/*" is outside']),
        ({"show_answers": "no"}, ['show_answers: "no" is not allowed']),
    ],
)
def test_read_inputs__of_a_matrix(tmp_path, given, told):
    with pytest.raises(UsageError) as failed:
        read(tmp_path, **given)
    for problem, text in zip(failed.value.problems, told, strict=True):
        assert problem.what.startswith(f"input {text}")


def test_asked_part__by_command_and_shard(tmp_path):
    for name in ("b/run", "a/run", "c"):
        (tmp_path / "shards" / name).mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / "shards" / name / "run/run.json").touch()
    glob = {"merge_glob": "shards/*/run"}
    merged = asked_part(read(tmp_path, command="merge", **glob))
    assert merged.folders == tuple(tmp_path / f"shards/{name}/run" for name in ("a", "b"))
    assert (merged.stages, merged.shard) == ({"evaluate"}, None)
    assert asked_part(read(tmp_path, command="merge", merge_glob="none/*")).folders == ()
    shard = asked_part(read(tmp_path, shard="2/4"))
    assert (str(shard.shard), shard.stages, shard.folders) == ("2/4", {"run"}, None)
    for inputs in (read(tmp_path, **glob), None):  # the glob alone asks for nothing
        assert asked_part(inputs) == AskedPart()


def test_read_inputs__answers_that_are_not_shown(tmp_path):
    assert read(tmp_path, show_answers="none").overrides == ('report.answers="none"',)
    assert read(tmp_path, show_answers="short").overrides == ()
    shortens = {kind: read(tmp_path, show_answers=kind).publishing.shortens for kind in ShowAnswers}
    assert shortens == {"full": False, "short": True, "none": True}


def test_read_inputs__unknown_input_is_told(tmp_path):
    inputs = read(tmp_path, sute="x")
    assert inputs.warnings == ('unknown input "sute" (did you mean "suite"?); it is not used',)


def test_action_yml__has_the_inputs_and_outputs_of_the_code():
    action = read_yaml(ROOT / "action.yml").values
    given = {name: spec.get("default", "") for name, spec in action["inputs"].items()}
    assert given.pop("github_token") == "${{ github.token }}"
    assert given == {name: default for name, default in INPUTS.items() if name != "github_token"}
    assert tuple(action["outputs"]) == OUTPUT_NAMES
    assert all(spec["description"].endswith(".") for spec in action["inputs"].values())
    assert all(spec["required"] is False for spec in action["inputs"].values())
