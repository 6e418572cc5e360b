from dataclasses import replace

import pytest
from comparing import judge
from made_reports import broken, changed, comparison, report
from outcomes import OUTCOMES
from servers.runs import make, resources, write_dataset

from lm_eval_so.action.outputs import (
    OUTPUT_NAMES,
    Outputs,
    annotations,
    first_fit,
    output_text,
    outputs_of,
    write_outputs,
    write_summary,
)
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.secrets import Redactor, make_redactor
from lm_eval_so.evaluator.evaluate import EvaluationInputs, evaluate
from lm_eval_so.runner.run import RunOptions, run


def parse(text):
    """Read GITHUB_OUTPUT as the runner does."""
    values, lines = {}, iter(text.splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        inner = []
        while (line := next(lines)) != delimiter:
            inner.append(line)
        values[name] = "\n".join(inner)
    return values


def test_outputs_of__counts_samples_once():
    outputs = outputs_of(comparison(), report())
    assert (outputs.verdict, outputs.passed) == (Verdict.REGRESSION, False)
    assert (outputs.regressed_count, outputs.improved_count, outputs.error_count) == (2, 2, 1)
    assert outputs.cost_usd == 0.41
    assert outputs.baseline_source == "git"
    assert outputs.accepted_count == 0
    assert outputs_of(OUTCOMES["accepted here"][0], report()).accepted_count == 2


async def test_outputs_of__rows_without_a_score_are_in_no_mean(tmp_path):
    texts = [f"오류 {i}" if i % 50 == 7 else f"질문 {i}" for i in range(120)]
    samples = [{"id": f"q{i}", "input": t, "expected": t} for i, t in enumerate(texts)]
    write_dataset(tmp_path, samples)
    failing = {"오류": {"error": {"kind": "server", "http_status": 500}}}
    options = {"match": "regex", "answers": failing, "default": "echo"}
    backend = {"name": "scripted", "label": "bot", "options": options}
    config = make(tmp_path, backend, metrics=["exact_match"], run={"max_attempts": 1})
    await run(config, resources(), RunOptions(out=tmp_path / "run"))
    found = await evaluate(config, resources(), EvaluationInputs(runs=[tmp_path / "run"]))
    assert (found.metrics["exact_match"].mean, found.metrics["exact_match"].rows) == (1.0, 117)
    outputs = outputs_of(judge(found, found), found)
    assert (outputs.error_count, outputs.verdict, outputs.passed) == (3, "inconclusive", True)


def test_outputs_of__without_a_report_nothing_is_guessed():
    outputs = outputs_of(comparison(), None)
    assert (outputs.error_count, outputs.cost_usd) == (None, None)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_output_text__same_keys_for_each_verdict(verdict):
    values = parse(output_text(Outputs(verdict=verdict), delimiter="D"))
    assert tuple(values) == OUTPUT_NAMES
    assert values["verdict"] == verdict
    assert (values["passed"], values["cost_usd"], values["comment_file_written"]) == (
        "false",
        "",
        "false",
    )


def test_output_text__s7_a_value_cannot_add_outputs():
    text = output_text(Outputs(report_json="a\nverdict<<D\npass\nD\npassed=true"), delimiter="D")
    values = parse(text)
    assert tuple(values) == OUTPUT_NAMES
    assert values["report_json"] == "a\\nverdict<<D\\npass\\nD\\npassed=true"
    assert values["verdict"] == "error"


def test_write_outputs__later_values_win_and_delimiters_differ(tmp_path):
    file = tmp_path / "output"
    write_outputs(file, Outputs())
    write_outputs(file, Outputs(comment_url="https://github.com/o/r/pull/7"))
    text = file.read_text(encoding="utf-8")
    assert parse(text)["comment_url"] == "https://github.com/o/r/pull/7"
    delimiters = {line.partition("<<")[2] for line in text.splitlines() if "<<" in line}
    assert len(delimiters) == 2


def test_write_summary__first_text_that_fits_in_bytes(tmp_path):
    file = tmp_path / "summary"
    file.write_text("before\n", encoding="utf-8")
    assert write_summary(file, ["가" * 400_000, "나" * 300_000, "x"]) is True
    assert file.read_text(encoding="utf-8") == "before\n" + "나" * 300_000
    assert write_summary(file, ["가" * 400_000]) is False


def test_first_fit__is_lazy():
    def texts():
        yield "long"
        yield "ok"
        raise AssertionError("not needed")

    assert first_fit(texts(), most=2, size=len) == "ok"


def test_annotations__metrics_first_then_samples():
    many = (*(changed(f"s-{n}") for n in range(15)), changed("b", "better"))
    lines = annotations(comparison(changed=many), most=10, redactor=Redactor())
    assert len(lines) == 10
    assert lines[0].startswith(
        "::error title=support-qa%3A exact_match::exact_match: 89.5%25 → 84.9%25"
    )
    assert lines[1] == "::error title=support-qa%3A got worse::s-0: exact_match 1 → 0"
    assert all("better" not in line for line in lines)


def test_annotations__broken_cases_before_metrics():
    lines = annotations(comparison(broken=broken()), most=10, redactor=Redactor())
    assert lines[0].startswith("::error title=support-qa%3A must-001::Required case must-001 ")
    assert lines[1].startswith("::error title=support-qa%3A refund-014::refund-014 ")
    assert lines[3].startswith("::error title=support-qa%3A exact_match::")
    assert "promo-007" not in "".join(lines)  # it slipped once
    korean = annotations(
        comparison(broken=broken()), most=1, redactor=Redactor(), language=Language.KO
    )
    assert "필수 케이스 must-001" in korean[0]


def test_annotations__a_pass_warns_of_samples_only():
    lines = annotations(
        replace(comparison(), verdict=Verdict.INCONCLUSIVE), most=10, redactor=Redactor()
    )
    assert {line.split(" ")[0] for line in lines} == {"::warning"}


def test_annotations__s6_foreign_text_starts_no_command():
    [line] = annotations(
        comparison(metrics={}, changed=(changed("::add-mask::x\r\n##[error]%0A\x1b[31m"),)),
        most=10,
        redactor=Redactor(),
    )
    assert "\n" not in line
    assert "\r" not in line
    assert line.endswith("::::add-mask::x%0A##[error]%250A: exact_match 1 → 0")


def test_annotations__name_samples_by_the_own_id():
    hostile = "::error::x\n##[x]"
    made = comparison(
        metrics={}, changed=(changed("s1", ref="refund-014"), changed("s2", ref=hostile))
    )
    own, foreign = annotations(made, most=10, redactor=Redactor())
    assert own.endswith("::refund-014: exact_match 1 → 0")
    assert foreign.endswith("::::error::x%0A##[x]: exact_match 1 → 0")
    assert "\n" not in foreign


def test_annotations__none_wanted():
    assert annotations(comparison(), most=0, redactor=Redactor()) == ()


def test_annotations__s8_secrets_are_taken_out():
    redactor = make_redactor({"BOT_TOKEN": "hunter2-hunter2"})
    made = comparison(metrics={}, changed=(changed("id hunter2-hunter2"),))
    [line] = annotations(made, most=10, redactor=redactor)
    assert line.endswith("::id [redacted:BOT_TOKEN]: exact_match 1 → 0")
