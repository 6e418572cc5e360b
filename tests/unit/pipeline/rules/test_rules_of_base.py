"""Rules of the base: a pull request that loosens what judges it is judged by main's all the same."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from servers.commands import git
from servers.runs import resources, rows

from lm_eval_so.comparator.baseline.find import Place
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event
from lm_eval_so.core.git import files_of
from lm_eval_so.core.records.codec import dump_line, dumps
from lm_eval_so.core.records.comparison import Comparison, Reason
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.registry import load_plugins
from lm_eval_so.core.words.headline import headline_of
from lm_eval_so.core.words.rules_text import change_text
from lm_eval_so.errors import NoBaseline
from lm_eval_so.pipeline.github.unloaded_config import ConfigSource
from lm_eval_so.pipeline.measure.answers import plan_answers
from lm_eval_so.pipeline.measure.measure import measure
from lm_eval_so.pipeline.measure.plan import Plan
from lm_eval_so.pipeline.rules.rule_changes import config_changes
from lm_eval_so.pipeline.rules.take_rules import take_rules

Values = dict[str, Any]
N = 40
ENVIRON = {"TONE": "Be right.", "BOUNDARY": "word"}
MANY, FEW, ONE = range(8), range(2), range(1)
"""Cases that the pull request's chatbot gets wrong: a sure drop, one within the noise, a single case."""
JUDGE = {
    "id": "helpful",
    "name": "llm_judge",
    "params": {"rubric": "rubric.md", "labels": ["good", "bad"]},
    "backend": {
        "name": "scripted",
        "options": {
            "match": "regex",
            "answers": {"(?s).*틀림": '{"reason": "r", "label": "bad"}'},
            "default": '{"reason": "r", "label": "good"}',
        },
    },
}
KIND = {
    **JUDGE,
    "backend": {**JUDGE["backend"], "options": {"default": '{"reason": "r", "label": "good"}'}},
}
QUARANTINE = "".join(f'- {{id: q{i}, reason: flaky, until: "2099-01-01"}}\n' for i in MANY)


def samples() -> list[Values]:
    tags = {True: ["hard", "must"], False: ["easy"]}
    return [
        {"id": f"q{i}", "input": f"질문 {i}", "expected": f"질문 {i}", "tags": tags[i in MANY]}
        for i in range(N)
    ]


def settings(**sections: Any) -> Values:
    given: Values = {
        "version": 1,
        "suite": "shop",
        "dataset": {"path": "data.jsonl"},
        "metrics": ["exact_match"],
        "baseline": {"path": "base.json"},
        "run": {"cache": False, **sections.pop("run", {})},
        "report": {"formats": ["json"]},
        "gate": {"broken": "off", **sections.pop("gate", {})},
    }
    return {**given, **sections}


def limits(**given: Any) -> Values:
    return {"gate": {"metrics": {"exact_match": given}}}


@dataclass
class Team:
    """A repository in which main is committed, and a pull request that changes its checkout."""

    folder: Path
    reports: dict[str, str]
    """Reports of main, by its metrics and repeats: they are measured once."""
    main: Values = field(default_factory=settings)
    events: list[Event] = field(default_factory=list)
    base: Any = ...
    """The base commit; by default main as it is."""

    def write(self, config: Values, wrong: Iterable[int], lines: list[Values]) -> Config:
        answers = {f"q{i}": "틀림" for i in wrong}
        options = {"default": "echo", "answers": answers}
        backend = {"name": "scripted", "label": "bot", "options": options}
        file = self.folder / "lm-eval-so.yaml"
        file.write_text(json.dumps({**config, "backend": backend}))
        (self.folder / "data.jsonl").write_text("".join(f"{dump_line(s)}\n" for s in lines))
        return load_config(file, environ=ENVIRON)

    async def merge(self, config: Values, *, baseline: bool = True) -> None:
        """Put a config into main, with a baseline in which all is right."""
        self.main = config
        (self.folder / "rubric.md").write_text("Be right.")
        (self.folder / "judge.j2").write_text("{{ rubric }} {{ material }}")
        key = json.dumps([config["metrics"], config["run"]])
        if key not in self.reports:
            alone = {**config, "baseline": {}, "gate": {"broken": "off"}}
            plan = Plan(run=self.folder / "before/run", reports=self.folder / "before")
            report = (await measure(self.write(alone, (), samples()), resources(), plan)).report
            self.reports[key] = dumps(report)
        (self.folder / "base.json").unlink(missing_ok=True)
        if baseline:
            (self.folder / "base.json").write_text(self.reports[key])
        self.write(config, (), samples())
        git("add", "-A", cwd=self.folder)
        git("commit", "-qm", "main", "--allow-empty", cwd=self.folder)

    async def propose(
        self, config: Values, wrong: Iterable[int] = MANY, lines: list[Values] | None = None
    ) -> Comparison:
        """Measure a pull request by the rules of main."""
        head = self.write(config, wrong, samples() if lines is None else lines)
        commit = files_of(git("rev-parse", "HEAD", cwd=self.folder))
        base = commit if self.base is ... else self.base
        source = ConfigSource(file=self.folder / "lm-eval-so.yaml", environ={})
        why = None if base else Reason(code="base_unknown")
        self.rules = take_rules(head, source, base, why=why)
        run = self.folder / "lm-eval-so-report/run"
        plan = Plan(
            run=run, reports=run.parent, fresh=True, baseline=Place(files=commit), rules=self.rules
        )
        config_of = self.rules.config if self.rules else head
        measured = await measure(config_of, resources(self.events), plan)
        self.asked = [(row["sample_id"], row["repeat"]) for row in rows(run)]
        return measured.comparison


@pytest.fixture(scope="module")
def reports() -> dict[str, str]:
    return {}


@pytest.fixture
def team(tmp_path: Path, reports: dict[str, str]) -> Team:
    git("init", "-q", cwd=tmp_path)
    (tmp_path / ".gitignore").write_text("/before*\n/lm-eval-so-report/\n")
    return Team(tmp_path, reports)


def without(ids: Iterable[int]) -> list[Values]:
    left_out = {f"q{i}" for i in ids}
    return [each for each in samples() if each["id"] not in left_out]


def changed(ids: Iterable[int], **fields: Any) -> list[Values]:
    names = {f"q{i}" for i in ids}
    return [{**each, **fields} if each["id"] in names else each for each in samples()]


@dataclass
class Loosening:
    """A way to loosen the rules: main, the pull request, and what is told."""

    main: Values
    head: Values
    told: str
    """What the comparison names, besides."""
    code: int = 1
    wrong: Iterable[int] = MANY
    lines: list[Values] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    own: Verdict | None = Verdict.PASS
    """Verdict by the pull request's own rules; None: the same."""
    repeats: int = 1


GATED = limits()
BROKEN = {"gate": {"metrics": {"exact_match": {"margin": 0.5}}, "broken": "strict"}}
JUDGED: Values = {"metrics": ["exact_match", JUDGE], "gate": {"metrics": {"helpful": {}}}}
TEMPLATED = {**JUDGED, "metrics": ["exact_match", {**JUDGE, "judge": {"template": "judge.j2"}}]}
LOOSENED = {
    "margin": Loosening(GATED, limits(margin=0.9), "margin of exact_match 0.05 → 0.9"),
    "alpha": Loosening(
        GATED,
        {"gate": {**GATED["gate"], "alpha": 0.0001}},
        "gate.alpha 0.05 → 0.0001",
        own=Verdict.INCONCLUSIVE,
    ),
    "min": Loosening(
        limits(margin=0.9, min=0.9),
        limits(margin=0.9, min=0.1),
        "min of exact_match 0.9 → 0.1",
    ),
    "rule": Loosening(
        {"gate": {**limits(margin=0.9, min=0.75, rule="bound")["gate"], "on_inconclusive": "fail"}},
        {"gate": {**limits(margin=0.9, min=0.75)["gate"], "on_inconclusive": "fail"}},
        "rule of exact_match bound → point",
        code=3,
    ),
    "on_inconclusive": Loosening(
        {"gate": {"on_inconclusive": "fail"}},
        {"gate": {"on_inconclusive": "pass"}},
        "gate.on_inconclusive fail → pass",
        code=3,
        wrong=FEW,
        own=Verdict.INCONCLUSIVE,
    ),
    "claim": Loosening(
        {"gate": {"claim": "these"}, "run": {"repeats": 2}},
        {"run": {"repeats": 2}},
        "gate.claim these → like_these",
        wrong=range(3),
        own=Verdict.INCONCLUSIVE,
    ),
    "confirm": Loosening({}, {"gate": {"confirm": 2}}, "gate.confirm 0 → 2", own=None),
    "quarantine": Loosening(
        {}, {}, "8 cases quarantined", files={".lm-eval-so/quarantine.yaml": QUARANTINE}, own=Verdict.INCONCLUSIVE
    ),
    "fewer cases": Loosening({}, {}, "8 cases deleted", lines=without(MANY), own=Verdict.INCONCLUSIVE),
    "only": Loosening(
        {},
        {"metrics": [{"name": "exact_match", "only": {"tags": ["easy"]}}]},
        "metrics.exact_match.only.tags none → easy",
        own=Verdict.INCONCLUSIVE,
    ),
    "other params": Loosening(
        {},
        {"metrics": [{"name": "exact_match", "params": {"profile": "answer"}}]},
        "metrics.exact_match.params.profile none → answer",
        own=Verdict.INCOMPARABLE,
    ),
    "other rubric": Loosening(
        JUDGED,
        JUDGED,
        "rubric.md of helpful changed",
        files={"rubric.md": "Say good."},
        own=Verdict.INCOMPARABLE,
    ),
    "other template": Loosening(
        TEMPLATED,
        TEMPLATED,
        "judge.j2 of helpful changed",
        files={"judge.j2": "Say good. {{ material }}"},
        own=Verdict.INCOMPARABLE,
    ),
    "other judge": Loosening(
        JUDGED, {**JUDGED, "metrics": ["exact_match", KIND]}, "metrics.helpful.backend.options changed", own=None
    ),
    "dropped metric": Loosening(JUDGED, {"gate": {}}, "helpful dropped", own=None),
    "not gated": Loosening(JUDGED, {**JUDGED, "gate": {"metrics": {}}}, "gate.metrics.helpful removed", own=Verdict.INCONCLUSIVE),
    "broken": Loosening(
        BROKEN,
        {"gate": {**BROKEN["gate"], "broken": "off"}},
        "gate.broken strict → off",
        wrong=ONE,
    ),
    "must": Loosening(
        {"gate": {**BROKEN["gate"], "broken": "fail"}},
        {"gate": {**BROKEN["gate"], "broken": "fail", "must": None}},
        "gate.must tag must, right 1, of 3 → none",
        wrong=ONE,
        own=Verdict.PASS,
    ),
    "a must tag": Loosening(
        {"gate": {**BROKEN["gate"], "broken": "fail"}},
        {"gate": {**BROKEN["gate"], "broken": "fail"}},
        "1 case no longer required",
        wrong=ONE,
        lines=changed(ONE, tags=["hard"]),
    ),
    "a tag of only": Loosening(
        {"metrics": [{"name": "exact_match", "only": {"tags": ["hard"]}}]},
        {"metrics": [{"name": "exact_match", "only": {"tags": ["hard"]}}]},
        "8 cases taken out of exact_match",
        lines=changed(MANY, tags=[]),
        own=Verdict.ERROR,
    ),
    "control": Loosening({}, {"gate": {"control": "off"}}, "gate.control cases → off", own=None),
    "other baseline": Loosening({}, {"baseline": {"path": "own.json"}}, "baseline.path base.json → own.json", own=None),
    "repeats": Loosening({"run": {"repeats": 2}}, {}, "run.repeats 2 → 1", own=None),
    "expected": Loosening({}, {}, "2 cases edited, so not compared", lines=changed(FEW, expected="틀림"), own=None),
    "parameter": Loosening({}, {}, "1 case edited, so not compared", lines=changed(ONE, metrics={"exact_match": {"profile": "answer"}}), own=None),
    "a budget": Loosening(
        {"run": {"max_requests": 200}},
        {"run": {"max_requests": 33}},
        "run.max_requests 200 → 33",
        wrong=range(30, N),
        own=None,
    ),
    "other suite": Loosening({}, {"suite": "other"}, "suite shop → other", own=None),
    "rules": Loosening({}, {"gate": {"rules": "head"}}, "gate.rules base → head", own=None),
}  # fmt: skip


DEFINED_ANEW = {
    "other params": ("exact_match",),
    "other rubric": ("helpful",),
    "other template": ("helpful",),
    "other judge": ("helpful",),
}
"""Metrics that are measured as main defines them alone."""


def names(found: Comparison) -> list[str]:
    assert found.rules is not None
    return [change_text(change, Language.EN) for change in found.rules.changes]


@pytest.mark.parametrize("way", LOOSENED)
async def test_loosened__main_decides_all_the_same_and_it_is_told(team: Team, way: str) -> None:
    case = LOOSENED[way]
    await team.merge(settings(**case.main))
    for name, text in case.files.items():
        (team.folder / name).parent.mkdir(exist_ok=True)
        (team.folder / name).write_text(text)
    found = await team.propose(settings(**case.head), case.wrong, case.lines)
    rules = found.rules
    assert rules is not None
    assert rules.by == "base"
    told = names(found)
    assert found.exit_code == case.code
    assert any(each.startswith(case.told) for each in told), told
    assert rules.own is not None
    assert rules.own.verdict is (case.own or found.verdict)
    assert rules.own.not_asked == DEFINED_ANEW.get(way, ())


WIDE = settings(**limits(margin=0.5))
STRICTER = {
    "a margin": ({**WIDE, **settings(**limits(margin=0.4))}, samples()),
    "a metric": ({**WIDE, "metrics": ["exact_match", "contains"]}, samples()),
    "cases": (WIDE, [*samples(), *({"id": f"new{i}", "input": "?", "expected": "!"} for i in range(30))]),
}  # fmt: skip


@pytest.mark.parametrize("way", STRICTER)
async def test_tightened__passes_calmly(team: Team, way: str) -> None:
    await team.merge(WIDE)
    config, lines = STRICTER[way]
    found = await team.propose(config, (), lines)
    assert (found.verdict, found.exit_code) == (Verdict.PASS, 0)
    assert found.rules is not None
    assert {each.effect for each in found.rules.changes} == {"tighter"}
    assert len(found.rules.changes) == 1
    # thirty new cases are three quarters of main's: by themselves they make nothing incomparable
    assert (found.pairing.paired, len(found.pairing.added)) == (N, len(lines) - N)


async def test_new__what_main_cannot_judge_is_judged_by_the_pull_request_and_told(
    team: Team,
) -> None:
    await team.merge(WIDE)
    gate = {"metrics": {"exact_match": {"margin": 0.5}, "contains": {"min": 0.99}}}
    config = {**WIDE, "metrics": ["exact_match", "contains"], "gate": {"broken": "off", **gate}}
    found = await team.propose(config, ONE)
    assert found.exit_code == 0
    assert [*found.metrics] == ["exact_match"]
    assert found.rules is not None
    assert found.rules.own is not None
    assert (found.rules.own.verdict, found.rules.own.exit_code) == (Verdict.REGRESSION, 1)
    assert names(found) == ["min of contains none → 0.99", "contains added"]


async def test_unchanged__nothing_is_told(team: Team) -> None:
    await team.merge(settings())
    found = await team.propose(settings(), ONE)
    assert found.rules is None
    assert team.rules is not None
    assert team.rules.config is team.rules.head


async def test_deleted__is_asked_as_main_has_it(team: Team) -> None:
    await team.merge(settings(run={"repeats": 2}))
    lines = [{**each, "input": "neu"} if each["id"] == "q9" else each for each in without([3])]
    found = await team.propose(settings(), (), lines)
    assert sorted({name for name, _ in team.asked}) == sorted(f"q{i}" for i in range(N))
    assert len(team.asked) == 2 * N
    assert names(found) == ["run.repeats 2 → 1", "1 case deleted", "1 case edited, so not compared"]
    assert any("1 case of main that this pull request deletes" in str(e) for e in team.events)
    assert found.pairing.changed == ("q9",)
    assert not found.pairing.removed


HIDDEN = {
    "edited": (changed(MANY, input="1 + 1?"), "8 of main's 40 cases edited, so not compared"),
    "gone": (without(FEW), "2 of the baseline's 40 cases not compared"),
}


@pytest.mark.parametrize("way", HIDDEN)
async def test_hidden__what_is_not_compared_stands_in_the_headline(team: Team, way: str) -> None:
    await team.merge(WIDE)
    lines, told = HIDDEN[way]
    base = files_of(git("rev-parse", "HEAD", cwd=team.folder))
    if way == "gone":  # made in the job, or kept elsewhere, as by Git LFS
        team.base = replace(
            base, read=lambda file: None if file.name == "data.jsonl" else base.read(file)
        )
    found = await team.propose(WIDE, (), lines)
    assert found.exit_code == 0
    assert headline_of(found, None, Language.EN).text.endswith(f" · {told}")
    assert len(names(found)) == 1
    assert found.rules is not None
    assert found.rules.changes[0].n == len(found.rules.changes[0].cases)
    red = await team.propose(WIDE, range(8, N), lines)
    assert told not in headline_of(red, None, Language.EN).text


async def test_head__lets_a_pull_request_bring_its_own_rules(team: Team) -> None:
    await team.merge(settings(gate={"rules": "head"}))
    found = await team.propose(settings(**limits(margin=0.9)))
    assert (found.exit_code, found.rules) == (0, None)


async def test_incomparable__stays_so_by_main(team: Team) -> None:
    await team.merge(settings())
    other = settings(metrics=[{"name": "exact_match", "params": {"profile": "answer"}}])
    report = team.reports[json.dumps([["exact_match"], {"cache": False}])]
    await team.merge(other)
    (team.folder / "base.json").write_text(report)
    git("commit", "-qam", "an old baseline", cwd=team.folder)
    found = await team.propose({**other, "gate": {"broken": "off", "on_incomparable": "warn"}}, ())
    assert found.exit_code == 3
    assert names(found) == ["gate.on_incomparable fail → warn"]


async def test_no_baseline__stays_an_error_by_main(team: Team) -> None:
    await team.merge(settings(gate={"on_missing_baseline": "fail"}), baseline=False)
    with pytest.raises(NoBaseline):
        await team.propose(settings())


@pytest.mark.parametrize("is_kept", [False, True])
async def test_unmeasured__a_metric_of_main_without_its_file_fails_nobody_silently(
    team: Team, is_kept: bool
) -> None:
    await team.merge(settings(**JUDGED))
    git("rm", "-q", "rubric.md", cwd=team.folder)
    git("commit", "-qm", "main lost it", cwd=team.folder)
    (team.folder / "rubric.md").write_text("Be right.")
    own = JUDGED if is_kept else limits()
    found = await team.propose(settings(**own), ())
    assert found.exit_code == 3
    assert found.metrics["helpful"].reason == "metric_missing_candidate"
    assert "helpful of main cannot be measured here: no rubric file rubric.md" in names(found)
    assert found.rules is not None
    assert found.rules.own is not None
    assert found.rules.own.exit_code == 0  # by its own rules nothing is wrong


async def test_unmeasured__takes_what_is_built_from_it_along(team: Team) -> None:
    both = {"id": "both", "name": "composite", "params": {"parts": ["exact_match", "helpful"]}}
    main = settings(metrics=["exact_match", JUDGE, both])
    head = team.write({**main, "system": "x", "run": {"cache": False, "repeats": 3}}, (), samples())
    team.write(main, (), samples())
    git("add", "-A", cwd=team.folder)
    git("commit", "-qm", "main without a rubric", cwd=team.folder)
    source = ConfigSource(file=team.folder / "lm-eval-so.yaml", environ=ENVIRON)
    rules = take_rules(head, source, files_of(git("rev-parse", "HEAD", cwd=team.folder)))
    assert rules is not None
    told = "no rubric file rubric.md"
    assert rules.unmeasured == {"helpful": told, "both": f"helpful: {told}"}
    assert rules.own_metrics == {"helpful", "both"}


async def test_strict__is_said(team: Team) -> None:
    await team.merge(settings(gate={"rules": "strict"}))
    found = await team.propose(settings())
    assert found.rules is not None
    assert (found.rules.by, found.exit_code) == ("strict", 1)
    assert names(found) == ["gate.rules strict → base"]


PLUGIN = """\
from lm_eval_so.evaluator.metrics.base import Metric


class SameAsExpected(Metric):
    def score(self, sample, run):
        return self.make_score(sample, value=run.text == sample.expected)
"""


async def test_code__of_a_metric_that_the_pull_request_changes_is_comparable_no_more(
    team: Team,
) -> None:
    file = team.folder / "same.py"
    file.write_text(PLUGIN)
    load_plugins([file])
    config = settings(metrics=["same_as_expected"])
    await team.merge(config)
    assert (await team.propose(config)).exit_code == 1
    file.write_text(PLUGIN.replace("run.text == sample.expected", "True"))
    found = await team.propose(config)
    assert (found.verdict, found.exit_code) == (Verdict.INCOMPARABLE, 3)
    assert names(found) == ["same.py of same_as_expected changed"]


async def test_code__of_a_function_that_the_pull_request_changes_is_comparable_no_more(
    team: Team,
) -> None:
    file, check = team.folder / "checks.py", "def same(sample, run):\n    return {}\n"
    file.write_text(check.format("run.text == sample.expected"))
    config = settings(
        metrics=[{"id": "same", "name": "python", "params": {"target": "checks.py:same"}}]
    )
    await team.merge(config)
    assert (await team.propose(config)).exit_code == 1
    file.write_text(check.format("True"))
    found = await team.propose(config)
    assert (found.verdict, found.exit_code) == (Verdict.INCOMPARABLE, 3)
    assert names(found) == ["checks.py of same changed"]


async def test_code__of_a_judge_that_the_pull_request_changes_is_comparable_no_more(
    team: Team,
) -> None:
    answers = {"pattern": "(?s).*틀림", "text": '{"reason": "r", "label": "bad"}'}
    own = {**JUDGE["backend"]["options"], "answers": "judge.jsonl"}
    judge = {**JUDGE, "backend": {"name": "scripted", "options": own}}
    config = settings(metrics=["exact_match", judge], gate={"metrics": {"helpful": {}}})
    (team.folder / "judge.jsonl").write_text(dump_line(answers))
    await team.merge(config)
    assert (await team.propose(config)).exit_code == 1
    (team.folder / "judge.jsonl").write_text(dump_line({**answers, "pattern": "never"}))
    found = await team.propose(config)
    assert (found.verdict, found.exit_code) == (Verdict.INCOMPARABLE, 3)
    assert names(found) == ["judge.jsonl of helpful changed"]


async def test_plan__counts_the_cases_of_main_and_writes_nothing(team: Team) -> None:
    await team.merge(settings())
    head = team.write(settings(), (), without(MANY))
    base = files_of(git("rev-parse", "HEAD", cwd=team.folder))
    source = ConfigSource(file=team.folder / "lm-eval-so.yaml", environ={})
    rules = take_rules(head, source, base)
    assert rules is not None
    run = team.folder / "planned/run"
    plan = Plan(run=run, reports=run.parent, rules=rules, baseline=Place(files=base))
    planned = await plan_answers(rules.config, resources(), plan)
    assert planned.to_ask == N
    assert not run.parent.exists()
    assert not (team.folder / ".lm-eval-so").exists()


UNREAD = {
    "nothing": (None, None, "base_unknown"),
    "no config": ("lm-eval-so.yaml", None, "no_config"),
    "no YAML": ("lm-eval-so.yaml", "[", "bad_config"),
}


@pytest.mark.parametrize("way", UNREAD)
async def test_unread__the_rules_of_the_pull_request_hold_and_it_is_told(
    team: Team, way: str
) -> None:
    name, text, code = UNREAD[way]
    await team.merge(settings())
    base = files_of(git("rev-parse", "HEAD", cwd=team.folder))

    def read(file: Path) -> bytes | None:
        return (text and text.encode()) if file.name == name else base.read(file)

    team.base = replace(base, read=read) if name else None
    found = await team.propose(settings(**limits(margin=0.9)))
    assert found.exit_code == 0
    assert found.rules is not None
    assert (found.rules.by, found.rules.why) == ("head", code)
    head = headline_of(found, None, Language.EN)
    assert head.text.endswith("by this pull request's own rules")


async def test_rules__leave_the_rest_to_the_pull_request(team: Team) -> None:
    """Main's judge keeps its variables, files and line; the chatbot and all that asks it are the head's."""
    calibration = {"calibration": "calibration.json"}
    judge = {**JUDGE, "judge": calibration, "params": {"rubric": "${TONE}", "labels": ["good", "bad"]}}  # fmt: skip
    gate = {"stop": "pass", "claim": "these", "broken": "off"}
    user = {"backend": {"name": "scripted", "options": {"default": "${TONE}"}}, "template": "ko"}
    main = settings(
        metrics=["exact_match", judge], gate=gate, run={"repeats": 2, "simulator": user}
    )
    team.write(main, (), samples())
    kappa = '{"schema": "lm-eval-so/calibration/1", "metric": "helpful", "kappa": %s}'
    (team.folder / "calibration.json").write_text(kappa % "0.9")
    git("add", "-A", cwd=team.folder)
    git("commit", "-qm", "main", cwd=team.folder)
    (team.folder / "calibration.json").write_text(kappa % "0.1")
    mine = {"name": "contains", "params": {"boundary": "${BOUNDARY}"}}
    head = team.write(
        settings(
            metrics=[mine],
            system="Be brief.",
            run={
                "executor": "batch",
                "max_cost_usd": 500,
                "simulator": {"backend": {"name": "${BOUNDARY}"}},
            },
        ),
        ONE,
        samples(),
    )
    base = files_of(git("rev-parse", "HEAD", cwd=team.folder))
    source = ConfigSource(file=team.folder / "lm-eval-so.yaml", environ=ENVIRON)
    rules = take_rules(head, source, base)
    assert rules is not None
    found = rules.config
    assert [each.id for each in found.metrics] == ["exact_match", "helpful", "contains"]
    assert (found.system, found.run.executor, found.backend) == ("Be brief.", "batch", head.backend)
    assert (found.run.repeats, found.gate.claim, found.gate.stop) == (2, "these", "never")
    written = {at: each.text for at, each in found.located.written.items()}
    assert written[("metrics", 1, "params", "rubric")] == "${TONE}"
    assert written[("metrics", 2, "params", "boundary")] == "${BOUNDARY}"
    assert written[("run", "simulator", "backend", "options", "default")] == "${TONE}"
    assert len(written) == 3
    assert found.run.simulator is not None
    assert found.run.simulator.template == "ko"
    assert found.run.max_cost_usd is None
    told = [change_text(each, Language.EN) for each in config_changes(rules.main or head, head)]
    assert "run.simulator.template ko → en" in told
    assert "run.max_cost_usd none → 500.0" in told
    text = found.read_for("helpful", Path("calibration.json"))
    assert text == kappa % "0.9"


async def test_rules__no_rounds_with_a_judge_that_is_asked_by_batch(team: Team) -> None:
    gate = {"stop": "pass", "claim": "these", "broken": "off"}
    main = {"metrics": ["exact_match"], "gate": gate, "run": {"repeats": 2}}
    team.write(settings(**main), (), samples())
    git("add", "-A", cwd=team.folder)
    git("commit", "-qm", "main", cwd=team.folder)
    source = ConfigSource(file=team.folder / "lm-eval-so.yaml", environ=ENVIRON)
    base = files_of(git("rev-parse", "HEAD", cwd=team.folder))
    stops = []
    for executor in ("live", "batch"):
        judge = {**JUDGE, "judge": {"executor": executor}}
        head = team.write(settings(metrics=["exact_match", judge]), (), samples())
        rules = take_rules(head, source, base)
        stops.append(rules and rules.config.gate.stop)
    assert stops == ["pass", "never"]


async def test_rules__a_new_metric_takes_no_parameters_of_samples_from_main_s(team: Team) -> None:
    team.write(settings(metrics=[{"id": "same", "name": "exact_match"}]), (), samples())
    git("add", "-A", cwd=team.folder)
    git("commit", "-qm", "main", cwd=team.folder)
    mine = {"id": "exact_match", "name": "contains"}
    head = team.write(
        settings(metrics=[{"id": "same", "name": "exact_match"}, mine]), (), samples()
    )
    assert head.metrics[0].sample_keys == ("same",)
    source = ConfigSource(file=team.folder / "lm-eval-so.yaml", environ=ENVIRON)
    rules = take_rules(head, source, files_of(git("rev-parse", "HEAD", cwd=team.folder)))
    assert rules is not None
    found = [each.sample_keys for each in rules.config.metrics]
    assert found == [("same", "exact_match"), ("exact_match", "contains")]


async def test_groups__of_cases_that_stay_are_mains(team: Team) -> None:
    await team.merge(settings())
    found = await team.propose(settings(), MANY, changed(range(N), group_id="one"))
    assert (found.verdict, found.exit_code) == (Verdict.REGRESSION, 1)
    assert names(found) == ["40 cases put into another group"]
    assert found.rules is not None
    assert found.rules.own is not None
    assert found.rules.own.verdict is Verdict.INCONCLUSIVE
