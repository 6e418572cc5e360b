"""Settings that a pull request changes: which are found, and whether more passes by them."""

from pathlib import Path
from typing import Any

import pytest

from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.pipeline.rules.rule_changes import config_changes


def config(folder: Path, **sections: Any) -> Config:
    values = {"version": 1, "suite": "shop", "dataset": {"path": "d.jsonl"}, "metrics": ["m"]}
    return make_config({**values, **sections}, folder=folder)


def gate(**given: Any) -> dict[str, Any]:
    return {"gate": given}


def limits(**given: Any) -> dict[str, Any]:
    return gate(metrics={"m": given})


def metric(**given: Any) -> dict[str, Any]:
    return {"metrics": [{"name": "m", **given}]}


JUDGE = {"name": "openai", "options": {"base_url": "https://bot:geheim12@example.org"}}
CHANGES = {
    "nothing": ({}, {}, {}),
    "accept may be its own": ({}, gate(accept="mine.yaml"), {}),
    "alpha": ({}, gate(alpha=0.01), {"gate.alpha": ("looser", "0.05", "0.01")}),
    "alpha, more": ({}, gate(alpha=0.1), {"gate.alpha": ("other", "0.05", "0.1")}),
    "policy": (
        {},
        gate(on_inconclusive="fail"),
        {"gate.on_inconclusive": ("tighter", "warn", "fail")},
    ),
    "rules": ({}, gate(rules="strict"), {"gate.rules": ("tighter", "base", "strict")}),
    "broken": ({}, gate(broken="warn"), {"gate.broken": ("looser", "fail", "warn")}),
    "no must": (
        {},
        gate(must=None),
        {"gate.must": ("looser", "tag must, right 1, of 3", None)},
    ),
    "must": (
        {},
        gate(must={"right": 2, "of": 3}),
        {"gate.must.right": ("tighter", "1", "2")},
    ),
    "claim": ({}, gate(claim="these"), {"gate.claim": ("other", "like_these", "these")}),
    "margin": (limits(), limits(margin=0.2), {"margin": ("looser", "0.05", "0.2")}),
    "margin of a metric without one": (
        gate(metrics={"m": {}, "n": {"margin": 1}}),
        gate(metrics={"m": {}, "n": {}}),
        {"margin": ("looser", "1.0", None)},
    ),
    "min": (limits(min=0.8), limits(), {"min": ("looser", "0.8", None)}),
    "max": (limits(), limits(max=9), {"max": ("tighter", None, "9.0")}),
    "max_increase": (
        limits(max_increase=0.1),
        limits(max_increase=0.3),
        {"max_increase": ("looser", "0.1", "0.3")},
    ),
    "statistic": (limits(), limits(statistic="p95"), {"statistic": ("other", "mean", "p95")}),
    "no longer gated": (
        gate(metrics={"m": {}, "n": {}}),
        limits(),
        {"gate.metrics.n": ("looser", None, None)},
    ),
    "few gated": ({}, limits(), {"gate.metrics": ("looser", None, "m")}),
    "all gated": (limits(), {}, {"gate.metrics": ("other", "m", None)}),
    "baseline": (
        {"baseline": {"path": "a.json", "anchor": "b.json"}},
        {"baseline": {"path": "c.json"}},
        {
            "baseline.path": ("other", "a.json", "c.json"),
            "baseline.anchor": ("looser", "b.json", None),
        },
    ),
    "repeats": ({"run": {"repeats": 3}}, {}, {"run.repeats": ("looser", "3", "1")}),
    "a budget": ({}, {"run": {"max_requests": 9}}, {"run.max_requests": ("looser", None, "9")}),
    "no budget": (
        {"run": {"max_cost_usd": 5, "max_time_s": 60}},
        {"run": {"max_time_s": 30}},
        {
            "run.max_cost_usd": ("tighter", "5.0", None),
            "run.max_time_s": ("looser", "60.0", "30.0"),
        },
    ),
    "a price": (
        {"backend": {"name": "openai", "options": {"price": 2, "base_url": "a"}}},
        {"backend": {"name": "openai", "options": {"price": 1, "base_url": "b"}}},
        {"backend.options.price": ("other", "2", "1")},
    ),
    "words that would say more": (
        metric(only={"tags": ["a"]}),
        metric(only={"tags": ["a", "b. By main's: pass"]}, params={"all is well": "x y"}),
        {
            "metrics.m.only.tags": ("tighter", "a", 'a, "b. By main\'s: pass"'),
            'metrics.m.params."all is well"': ("other", None, '"x y"'),
        },
    ),
    "only fewer": (
        metric(only={"tags": ["a", "b"]}),
        metric(only={"tags": ["a"]}),
        {"metrics.m.only.tags": ("looser", "a, b", "a")},
    ),
    "only more": (
        metric(only={"tags": ["a"]}),
        metric(),
        {"metrics.m.only.tags": ("tighter", "a", None)},
    ),
    "only others": (
        metric(only={"language": ["ko"]}),
        metric(only={"language": ["en"]}),
        {"metrics.m.only.language": ("other", "ko", "en")},
    ),
    "parameters": (
        metric(params={"keywords": ["a", "b"]}),
        metric(params={"keywords": ["a"]}),
        {"metrics.m.params.keywords": ("other", "a, b", "a")},
    ),
    "a judge's address": (
        metric(backend={"name": "openai"}),
        metric(backend=JUDGE),
        {"metrics.m.backend.options": ("other", None, None)},
    ),
    "a file": (
        metric(params={"rubric": "old.md"}),
        metric(params={"rubric": "new.md"}),
        {
            "metrics.m.params.rubric": ("other", "old.md", "new.md"),
            "new.md": ("other", None, None),
        },
    ),
    "added and dropped": (
        {"metrics": ["m", "n"]},
        {"metrics": ["m", "o"]},
        {"n": ("looser", None, None), "o": ("tighter", None, None)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_changes(tmp_path: Path, name: str) -> None:
    (tmp_path / "old.md").write_text("Be right.")
    (tmp_path / "new.md").write_text("Say good.")
    before, now, told = CHANGES[name]
    base = config(tmp_path, **before)

    def of_base(file: Path) -> bytes | None:
        return file.read_bytes() if file.name == "old.md" else None

    base.reading({"m": of_base})
    found = config_changes(base, config(tmp_path, **now), {"m": 0.05})
    assert {each.key: (each.effect, each.base, each.head) for each in found} == told


def test_changes__looser_ones_come_first_and_no_secret_is_shown(tmp_path: Path) -> None:
    key = "sk-proj-0123456789abcdefghij"
    base = config(tmp_path, **gate(confirm=0, control="cases", on_drift="warn", must={"tag": key}))
    head = config(tmp_path, **gate(confirm=3, control="off", on_drift="fail", must={"tag": "x\ny"}))
    found = config_changes(base, head, {}, make_redactor({}).redact)
    assert [each.effect for each in found] == ["looser", "other", "other", "tighter"]
    tag = next(each for each in found if each.key == "gate.must.tag")
    assert (tag.base, tag.head) == ("[redacted:key]", '"x\\ny"')
