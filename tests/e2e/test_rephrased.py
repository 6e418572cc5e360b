"""A chatbot that says the same in other words: what it is judged by decides, not its wording."""

import json
from pathlib import Path
from typing import Any

import pytest
from servers.commands import lm_eval_so

BOT = """\
def answer(messages, *, sample):
    return "{said}"
"""
BEFORE, AFTER = "환불은 3일 걸립니다.", "돌려받기까지 3일이면 충분해요!"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    samples = [
        {"id": f"q{number}", "input": f"환불 며칠? {number}", "expected": BEFORE}
        for number in range(60)
    ]
    lines = [json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples]
    (tmp_path / "test.jsonl").write_text("".join(lines), "utf-8")
    return tmp_path


def ci(folder: Path, said: str, *metrics: Any, **gate: Any) -> tuple[int, dict[str, Any]]:
    """Measure and compare, and give the exit code and the comparison."""
    (folder / "bot.py").write_text(BOT.format(said=said), "utf-8")
    config = {
        "version": 1,
        "suite": "shop",
        "dataset": {"path": "test.jsonl"},
        "backend": {"name": "python", "label": "bot", "options": {"target": "bot.py:answer"}},
        "metrics": list(metrics),
        "baseline": {"path": "base.json"},
        "gate": gate,
    }
    (folder / "lm-eval-so.yaml").write_text(json.dumps(config), "utf-8")
    done = lm_eval_so("ci", "--fresh", "--json", cwd=folder)
    return done.returncode, json.loads(done.stdout)


def rephrased(folder: Path, *metrics: Any, **gate: Any) -> tuple[int, dict[str, Any]]:
    ci(folder, BEFORE, *metrics, **gate)
    (folder / "reports" / "report.json").rename(folder / "base.json")
    return ci(folder, AFTER, *metrics, **gate)


FACTS = {"name": "regex", "params": {"pattern": "3일"}}


def test_ci__other_words_that_say_the_same__pass(folder: Path) -> None:
    code, comparison = rephrased(folder, FACTS, "token_f1", "char_f1", "rouge_l", "chrf")
    assert (code, comparison["verdict"]) == (0, "pass")
    assert {key: m["verdict"] for key, m in comparison["metrics"].items() if not m["gating"]} == {
        **dict.fromkeys(("token_f1", "char_f1", "rouge_l", "chrf"), "reported")
    }
    assert comparison["metrics"]["token_f1"]["delta"] < -0.3


def test_ci__other_words__fail_where_the_gate_names_their_measure(folder: Path) -> None:
    gate = {"metrics": {"token_f1": {"margin": 0.03}}}
    code, comparison = rephrased(folder, FACTS, "token_f1", **gate)
    assert (code, comparison["verdict"]) == (1, "regression")


def test_ci__nothing_but_wording__is_no_pass(folder: Path) -> None:
    code, comparison = rephrased(folder, "token_f1")
    assert (code, comparison["verdict"]) == (0, "inconclusive")
    assert [reason["code"] for reason in comparison["reasons"]] == ["nothing_gates"]
