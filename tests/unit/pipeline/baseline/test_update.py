"""`baseline show` and `baseline update` in a real checkout."""

import json
import shlex
import subprocess
from dataclasses import replace

import pytest
from comparing import judge
from factories import make_report
from rows_apart import apart

from lm_eval_so.comparator.baseline.find import find_baseline
from lm_eval_so.comparator.baseline.promote import accept
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.events import Warned
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import Acceptance
from lm_eval_so.core.report_file import read_report
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import ConfigError, InputError, PublishError, RecordError
from lm_eval_so.pipeline.baseline.output import update_lines, update_values
from lm_eval_so.pipeline.baseline.update import update_baseline
from lm_eval_so.reporter.views.baseline import baseline_lines, baseline_values

OLD = make_report(
    {"exact_match": [1] * 54 + [0] * 6, "지연": [0.5, 0.9] * 30, "latency_ms": [900.0] * 60},
    commit="a" * 40,
)
NEW = make_report(
    {"exact_match": [1] * 57 + [0] * 3, "지연": [0.5, 0.7] * 30, "cost_usd": [0.002] * 60},
    commit="b" * 40,
    fingerprints={"지연": "another"},
)
PATH = "기준/support-qa.json"
KEY = "sk-test-1234567890abcdef"
SINCE_EPOCH = "1795588200"  # 2026-11-25 06:30 UTC


def config_in(folder, *, path=PATH, gate=None):
    values = {
        "version": 1,
        "suite": "support-qa",
        "dataset": {"path": "data.jsonl"},
        "baseline": {"path": path},
        "gate": gate or {"metrics": {"exact_match": {"min": 0.8}}},
    }
    return make_config(values, folder=folder)


@pytest.fixture
def checkout(tmp_path):
    """Return a checkout with a baseline and a user whose name git knows."""
    file = tmp_path / PATH
    file.parent.mkdir()
    file.write_text(dumps(OLD), "utf-8")
    for arguments in (["init", "-q"], ["config", "user.name", "김 검토"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def update(folder, report=NEW, *, reason="환불 답변을 짧게", forced=False, **options):
    """Update the baseline; gives what was done, and the warnings."""
    file = folder / "reports/report.json"
    file.parent.mkdir(exist_ok=True)
    if report is not None:
        file.write_text(dumps(report), "utf-8")
    heard = []
    environ = {"SOURCE_DATE_EPOCH": SINCE_EPOCH, "API_KEY": KEY}
    resources = Resources(environ=environ, listener=heard.append, redactor=make_redactor(environ))
    done = update_baseline(
        config_in(folder, **options), resources, file.parent, reason=reason, is_forced=forced
    )
    return done, [event.text for event in heard if isinstance(event, Warned)]


def compare_beside(folder, baseline, candidate):
    comparison = judge(baseline, candidate, gate={"metrics": {"exact_match": {"margin": 0.1}}})
    comparison = replace(
        comparison,
        baseline=replace(
            comparison.baseline, evaluated_at=baseline and baseline.experiment.evaluated_at
        ),
    )
    (folder / "reports").mkdir(exist_ok=True)
    (folder / "reports/comparison.json").write_text(dumps(comparison), "utf-8")


def test_update__writes_the_report_with_why_when_and_by_whom(checkout) -> None:
    compare_beside(checkout, OLD, NEW)
    done, warnings = update(checkout)
    assert not warnings
    written = read_report(checkout / PATH)
    (last,) = written.accepted
    assert (last.reason, last.at, last.by) == (
        "환불 답변을 짧게",
        "2026-11-25T06:30:00.000Z",
        "김 검토",
    )
    assert last.forced == ()
    assert last.previous.commit == "a" * 40
    assert replace(written, accepted=()) == NEW
    assert done.acceptance == last
    assert [f.name for f in (checkout / PATH).parent.iterdir()] == ["support-qa.json"]


def test_update__refuses_and_leaves_the_file_as_it_was(checkout) -> None:
    before = (checkout / PATH).read_bytes()
    bad = replace(NEW, experiment=replace(NEW.experiment, suite="x", complete=False, missing=2))
    with pytest.raises(PublishError) as raised:
        update(checkout, bad, gate={"metrics": {"exact_match": {"min": 0.99}}})
    assert raised.value.exit_code == 5
    assert len(raised.value.problems) == 3
    assert "--force" in raised.value.problems[-1].hint
    assert (checkout / PATH).read_bytes() == before


def test_update__forced_is_recorded(checkout) -> None:
    bad = replace(NEW, experiment=replace(NEW.experiment, eligible=False))
    gate = {"metrics": {"exact_match": {"min": 0.99}}}
    done, _ = update(checkout, bad, forced=True, gate=gate)
    assert read_report(checkout / PATH).accepted[-1].forced == ("ineligible", "threshold")
    assert len(done.overridden) == 2


def test_update__by_force_nothing_is_recorded_if_nothing_stood_against_it(checkout) -> None:
    update(checkout, forced=True)
    assert read_report(checkout / PATH).accepted[-1].forced == ()


def test_update__the_verdict_beside_it_counts_if_it_is_of_this_report(checkout) -> None:
    worse = make_report({"exact_match": [0] * 40 + [1] * 20}, commit="c" * 40)
    compare_beside(checkout, OLD, worse)
    with pytest.raises(PublishError, match="says regression"):
        update(checkout, worse, gate={"metrics": {"exact_match": {}}})
    _, warnings = update(checkout, NEW)  # the comparison beside it is of the other one
    assert "about another report" in warnings[0]
    assert "was not compared" in warnings[1]


@pytest.mark.parametrize(
    ("baseline", "warning"),
    [
        (None, "was not compared"),
        (
            replace(
                OLD, experiment=replace(OLD.experiment, evaluated_at="2026-01-01T00:00:00.000Z")
            ),
            "compared with another baseline",
        ),
    ],
)
def test_update__warns_where_nobody_judged_it_against_what_it_replaces(
    checkout, baseline, warning
) -> None:
    compare_beside(checkout, baseline, NEW)
    _, warnings = update(checkout)
    assert len(warnings) == 1
    assert warning in warnings[0]


def test_update__the_first_one_needs_no_comparison(checkout) -> None:
    done, warnings = update(checkout, path="baselines/neu.json")
    assert not warnings
    assert done.previous is None
    assert read_report(checkout / "baselines/neu.json").accepted[0].previous is None


def test_update__a_broken_baseline_is_replaced_only_by_force(checkout) -> None:
    (checkout / PATH).write_text("{", "utf-8")
    with pytest.raises(PublishError, match="history would be lost"):
        update(checkout)
    assert (checkout / PATH).read_text("utf-8") == "{"
    update(checkout, forced=True)
    (last,) = read_report(checkout / PATH).accepted
    assert (last.forced, last.previous) == (("history",), None)


def test_update__secrets_are_taken_out_of_the_reason(checkout) -> None:
    done, _ = update(checkout, reason=f"키 {KEY} 때문에")
    texts = [(checkout / PATH).read_text("utf-8"), *update_lines(done, Language.EN)]
    assert not [text for text in texts if KEY in text]
    assert read_report(checkout / PATH).accepted[-1].reason == "키 [redacted:API_KEY] 때문에"


@pytest.mark.parametrize("name", ["", "t@example.com", "Kim <k@example.com>"])
def test_update__an_address_is_no_name(checkout, name) -> None:
    subprocess.run(["git", "config", "user.name", name], cwd=checkout, check=True)
    update(checkout)
    assert read_report(checkout / PATH).accepted[-1].by is None
    assert "example.com" not in (checkout / PATH).read_text("utf-8")


def test_update__outside_of_git_nobody_is_named_and_nothing_to_commit(tmp_path) -> None:
    done, _ = update(tmp_path)
    assert done.acceptance.by is None
    assert update_values(done)["commands"] == []
    assert not [line for line in update_lines(done, Language.EN) if "git add" in line]


@pytest.mark.parametrize(
    ("text", "what"),
    [("{", "no JSON"), ('{"schema": "lm-eval-so/report/2"}', "not readable"), ("[]", "object")],
)
def test_update__no_report_is_wrong_input_and_no_force_helps(checkout, text, what) -> None:
    (checkout / "reports").mkdir()
    (checkout / "reports/report.json").write_text(text, "utf-8")
    with pytest.raises(RecordError, match=what):
        update(checkout, None, forced=True)


def test_update__a_config_without_a_baseline(checkout) -> None:
    with pytest.raises(ConfigError, match="names no baseline") as raised:
        update(checkout, path=None)
    assert "baselines/support-qa.json" in raised.value.problems[0].hint


def test_update__leaves_no_half_file_where_it_cannot_write(checkout) -> None:
    (checkout / "taken").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        update(checkout, path="taken", forced=True)
    assert not [f for f in checkout.iterdir() if f.name.startswith(".taken")]


def test_update__commits_the_rows_that_stand_in_a_file(checkout) -> None:
    (checkout / "reports").mkdir()
    apart(NEW, checkout / "reports")
    done, _ = update(checkout, None, forced=True)
    rows = done.path.with_name("support-qa.samples.jsonl")
    assert done.paths == (done.path, rows)
    for command in update_values(done)["commands"]:
        assert command.endswith(f"-- {shlex.join(map(str, done.paths))}")
    assert "support-qa.samples.jsonl" in lines(update_lines(done, Language.EN))


@pytest.mark.parametrize("language", Language)
def test_update__as_told(checkout, golden, language) -> None:
    gate = {"metrics": {"exact_match": {"min": 0.99}}}
    done, _ = update(checkout, reason="it's `shorter` now; rm -rf /", forced=True, gate=gate)
    told = replace(done, paths=(done.path.relative_to(checkout),))
    golden(f"baseline/update.{language}.txt", lines(update_lines(told, language)))
    assert json.loads(json.dumps(update_values(told)))["commands"][1] == (
        "git commit -m 'baseline: it'\"'\"'s `shorter` now; rm -rf /' -- '기준/support-qa.json'"
    )


@pytest.mark.parametrize("language", Language)
def test_show__as_told(checkout, golden, language) -> None:
    accepted = OLD
    for number, forced in ((1, ()), (2, ("threshold", "not_passed"))):
        why = Acceptance(
            reason=f"이유 {number} @octocat",
            at="2026-11-24T06:30:00.000Z",
            by="김 검토",
            forced=forced,
        )
        accepted = accept(NEW, accepted, why)
    lost = replace(accepted.metrics["cost_usd"], mean=None, unscored=1200, sample_count=0)
    accepted = replace(accepted, metrics={**accepted.metrics, "cost_usd": lost})
    (checkout / PATH).write_text(dumps(accepted), "utf-8")
    report, place = find_baseline(config_in(checkout))
    golden(f"baseline/show.{language}.txt", lines(baseline_lines(report, place, language)))
    values = json.loads(json.dumps(baseline_values(report, place, digest="d")))
    assert [each["forced"] for each in values["accepted"]] == [[], ["threshold", "not_passed"]]
    assert values["metrics"]["exact_match"]["n"] == 60
    assert place.accepted.reason == "이유 2 @octocat"


@pytest.mark.parametrize(
    ("path", "what"), [("missing.json", "no baseline at missing.json"), (None, "names no baseline")]
)
def test_show__none(tmp_path, path, what) -> None:
    report, place = find_baseline(config_in(tmp_path, path=path))
    told = baseline_lines(report, place, Language.EN)
    assert what in told[0]
    assert "baseline update" in told[1]
    assert list(baseline_values(report, place, digest=None)) == ["place"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"complete": False, "missing": 3}, "not complete, 3 rows missing"),
        ({"eligible": False}, "not fit to be a baseline"),
        ({"commit": None}, "–"),
    ],
)
def test_show__what_is_odd_about_it(checkout, changes, what) -> None:
    odd = replace(OLD, experiment=replace(OLD.experiment, **changes))
    (checkout / PATH).write_text(dumps(odd), "utf-8")
    told = baseline_lines(*find_baseline(config_in(checkout)), Language.EN)
    assert what in lines(told)


def lines(told):
    return "".join(f"{line}\n" for line in told)
