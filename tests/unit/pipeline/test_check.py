"""What is found before anything is spent, at every stage at once."""

from pathlib import Path

import pytest

from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.pipeline.check import Stage, check, tell_gate, watching_hints


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    line = '{"id": "q1", "input": "환불은 며칠?", "expected": "3일"}\n'
    (tmp_path / "test.jsonl").write_text(line, "utf-8")
    return tmp_path


def whats(folder: Path, *, gate: str, metrics: str = "[char_f1, latency_ms]") -> list[str]:
    text = (
        "version: 1\nsuite: shop\ndataset: {path: .}\n"
        "backend: {name: scripted, options: {default: echo}}\n"
        f"metrics: {metrics}\ngate: {{metrics: {gate}}}\n"
    )
    (folder / "lm-eval-so.yaml").write_text(text, "utf-8")
    config = load_config(folder / "lm-eval-so.yaml")
    found = check(config, {}, needs={"run", "evaluate"})
    return [problem.what for problem in found]


def test_check__a_gate_that_fits_has_no_problems(folder: Path) -> None:
    gate = "{char_f1: {margin: 0.05, min: 0.6}, latency_ms: {max_increase: 0.2, statistic: p95}}"
    assert whats(folder, gate=gate) == []


@pytest.mark.parametrize(
    ("gate", "what"),
    [
        ("{char_f1: {min: 80}}", "80 is outside the range of char_f1, 0 … 1"),
        ("{char_f1: {max_increase: 0.1}}", "char_f1 is no cost, time or token count"),
        ("{latency_ms: {margin: 0.1}}", "latency_ms is compared as a ratio"),
    ],
)
def test_check__what_a_metric_cannot_keep_is_found_before_it_is_measured(
    folder: Path, gate: str, what: str
) -> None:
    (found,) = whats(folder, gate=gate)
    assert found.startswith(what)


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ({"generate"}, ["WRITER_KEY is not set"]),
        ({"generate", "run"}, ["BOT_KEY is not set"]),
        ({"generate", "evaluate"}, []),  # shards that other jobs asked
    ],
)
def test_check__each_stage_needs_its_own_keys(
    folder: Path, needs: set[Stage], told: list[str]
) -> None:
    def openai(key: str) -> str:
        return f"{{name: openai, params: {{model: m}}, options: {{api_key_env: {key}}}}}"

    (folder / "faq.csv").write_text("q,a\n환불?,3일\n", "utf-8")
    text = (
        "version: 1\nsuite: shop\ndataset: {path: made}\nmetrics: [exact_match]\n"
        f"backend: {openai('BOT_KEY')}\n"
        f"generator: {{backend: {openai('WRITER_KEY')}, synthesise: {{questions: 1}},"
        " sources: [{id: faq, path: faq.csv, as: samples, map: {input: q, expected: a}}]}\n"
    )
    (folder / "lm-eval-so.yaml").write_text(text, "utf-8")
    config = load_config(folder / "lm-eval-so.yaml")
    assert [problem.what for problem in check(config, {}, needs=needs)] == told


def test_check__an_address_of_main_that_cannot_be_asked_costs_no_run(folder: Path) -> None:
    text = (
        "version: 1\nsuite: shop\ndataset: {path: .}\nmetrics: [exact_match]\n"
        'backend: {name: openai, params: {model: m}, options: {base_url: "http://localhost:1/v1"}}\n'
        'gate: {control_url: "http://me:secret@localhost:2"}\n'
    )
    (folder / "lm-eval-so.yaml").write_text(text, "utf-8")
    config = load_config(folder / "lm-eval-so.yaml")
    (found,) = check(config, {"OPENAI_API_KEY": "k"}, needs={"run"})
    assert found.what == "the address of http://localhost:2/v1 holds a user or a password"


def test_check__knows_the_range_of_what_is_built_from_others(folder: Path) -> None:
    metrics = "[char_f1, {name: composite, params: {parts: {char_f1: 1}}}]"
    assert whats(folder, metrics=metrics, gate="{composite: {min: 0.5}}") == []
    (found,) = whats(folder, metrics=metrics, gate="{composite: {min: 50}}")
    assert found == "50 is outside the range of composite, 0 … 1"


def test_check__a_metric_that_cannot_be_made_hides_no_mistake_about_another(folder: Path) -> None:
    found = whats(folder, metrics="[exact_macth, char_f1]", gate="{char_f1: {min: 80}}")
    assert found == [
        'unknown metric "exact_macth" (did you mean "exact_match"?)',
        "80 is outside the range of char_f1, 0 … 1",
    ]


def test_check__a_metric_that_cannot_be_made_and_a_gate_are_told_at_once(folder: Path) -> None:
    found = whats(folder, metrics="[exact_macth, char_f1]", gate="{char_f2: {margin: 0.1}}")
    assert found == [
        'unknown metric "exact_macth" (did you mean "exact_match"?)',
        'gate.metrics names "char_f2", which is no metric here (did you mean "char_f1"?)',
    ]


@pytest.mark.parametrize(
    ("metrics", "gate", "told"),
    [
        ("[exact_match, latency_ms]", "{}", []),
        ("[keyword_coverage]", "{}", ["keyword_coverage"]),
        ('[{name: keyword_coverage, pass_if: ">= 0.8"}]', "{}", []),
        ("[exact_match, char_f1]", "{}", []),
        ("[char_f1]", "{metrics: {char_f1: {}}}", ["char_f1"]),
        ("[keyword_coverage]", "{broken: off}", []),
    ],
)
def test_watching_hints__name_what_says_neither_right_nor_wrong(
    folder: Path, metrics: str, gate: str, told: list[str]
) -> None:
    text = (
        "version: 1\nsuite: shop\ndataset: {path: .}\n"
        "backend: {name: scripted, options: {default: echo}}\n"
        f"metrics: {metrics}\ngate: {gate}\n"
    )
    (folder / "lm-eval-so.yaml").write_text(text, "utf-8")
    found = watching_hints(load_config(folder / "lm-eval-so.yaml"))
    texts = [event.text for event in found if isinstance(event, Noticed)]
    assert texts == [f"give {name} a pass_if to have its cases watched" for name in told]


@pytest.mark.parametrize(("repeats", "warned"), [(1, True), (2, False)])
def test_tell_gate__the_claim_about_these_questions_needs_two_answers(
    folder: Path, repeats: int, warned: bool
) -> None:
    text = (
        "version: 1\nsuite: shop\ndataset: {path: .}\n"
        "backend: {name: scripted, options: {default: echo}}\n"
        f"run: {{repeats: {repeats}}}\nmetrics: [exact_match]\ngate: {{claim: these}}\n"
    )
    (folder / "lm-eval-so.yaml").write_text(text, "utf-8")
    told = list(tell_gate(load_config(folder / "lm-eval-so.yaml")))
    assert [each.text for each in told if isinstance(each, Warned)] == (
        ["claim: these needs two answers to each question, and run.repeats is 1"] if warned else []
    )


@pytest.mark.parametrize(("cache", "warned"), [("false", True), ("cache.sqlite", False)])
def test_tell_gate__looks_at_judged_answers_need_the_cache(
    folder: Path, cache: str, warned: bool
) -> None:
    judge = "backend: {name: scripted, options: {default: good}}"
    text = (
        "version: 1\nsuite: shop\ndataset: {path: .}\n"
        "backend: {name: scripted, options: {default: echo}}\n"
        f"run: {{repeats: 5, cache: {cache}}}\n"
        f"metrics: [{{name: llm_judge, params: {{rubric: be kind, labels: [good, bad]}}, {judge}}}]\n"
        "gate: {claim: these, stop: pass}\n"
    )
    (folder / "lm-eval-so.yaml").write_text(text, "utf-8")
    told = [
        e.text for e in tell_gate(load_config(folder / "lm-eval-so.yaml")) if isinstance(e, Warned)
    ]
    assert any(text.startswith("without run.cache each look") for text in told) is warned
