"""The quarantine and accept files as people write them, and what is wrong with them."""

from datetime import date
from pathlib import Path

import pytest
from comparing import entry

from lm_eval_so.comparator.exemptions.files import (
    Exceptions,
    exception_problems,
    hold_against_base,
    read_accepted,
    read_exceptions,
)
from lm_eval_so.comparator.terms import read_terms
from lm_eval_so.core.config.load import load_config
from lm_eval_so.errors import ConfigError

TODAY = date(2026, 11, 24)
EPOCH = {"SOURCE_DATE_EPOCH": "1795501800"}  # 2026-11-24
CONFIG = "version: 1\nsuite: shop\ndataset: {path: data.jsonl}\n"
GOOD = """\
- id: 환불-007
  reason: two policies fit
  until: 2026-12-31
- ids: [promo-1, 17]
  metric: exact_match
  reason: |
    하나는 3일, 다른 하나는 사흘
  until: "2027-06-01"
"""
ACCEPTED = """\
- {id: tone-2, max_drop: 1, reason: new tone guide, until: 2026-12-31}
- {metric: latency_ms, max_drop: 250, reason: the larger model, until: 2027-02-22}
"""


def config(folder: Path, *, gate: str = "", quarantine: str | None = None, accept=None):
    (folder / ".lm-eval-so").mkdir(exist_ok=True)
    for name, text in (("quarantine", quarantine), ("accept", accept)):
        if text is not None:
            (folder / f".lm-eval-so/{name}.yaml").write_text(text, encoding="utf-8")
    file = folder / "lm-eval-so.yaml"
    file.write_text(CONFIG + gate, encoding="utf-8")
    return load_config(file)


def told(error: ConfigError) -> list[str]:
    return [f"{problem.where}: {problem.what}" for problem in error.problems]


def problems_of(folder: Path, **files: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_exceptions(config(folder, **files), day=TODAY)
    return told(caught.value)


def test_read__gives_one_entry_a_sample_with_its_line(tmp_path: Path) -> None:
    found = read_exceptions(config(tmp_path, quarantine=GOOD, accept=ACCEPTED), day=TODAY)
    assert [(e.sample_id, e.metric, e.where) for e in found.quarantine] == [
        ("환불-007", None, ".lm-eval-so/quarantine.yaml:1"),
        ("promo-1", "exact_match", ".lm-eval-so/quarantine.yaml:4"),
        ("17", "exact_match", ".lm-eval-so/quarantine.yaml:4"),
    ]
    assert found.quarantine[1].reason == "하나는 3일, 다른 하나는 사흘"
    assert found.quarantine[0].until == date(2026, 12, 31)
    assert [(e.sample_id, e.metric, e.max_drop) for e in found.accept] == [
        ("tone-2", None, 1.0),
        (None, "latency_ms", 250.0),
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]\n"])
def test_read__an_empty_file_has_no_entries(tmp_path: Path, text: str) -> None:
    assert read_exceptions(config(tmp_path, quarantine=text), day=TODAY).quarantine == ()


def test_read__without_the_default_files_there_are_none(tmp_path: Path) -> None:
    found = read_exceptions(config(tmp_path), day=TODAY)
    assert (found.quarantine, found.accept) == ((), ())


def test_read__a_file_that_the_config_names_must_be_there(tmp_path: Path) -> None:
    gate = "gate: {quarantine: known.yaml, accept: .lm-eval-so/accept.yaml}\n"
    found = exception_problems(config(tmp_path, gate=gate), EPOCH)
    assert [p.what for p in found] == [
        "there is no file known.yaml",
        "there is no file .lm-eval-so/accept.yaml",
    ]
    assert all(p.where and p.where.line == 4 for p in found)


def test_read__tells_everything_at_once_with_file_and_line(tmp_path: Path) -> None:
    quarantine = """\
- id: a
  reson: two policies fit
  until: 2026-12-31
- reason: x
  until: 31.12.2026
- {id: b, ids: [c], reason: x, until: 2026-12-31}
- {id: 1.50, reason: x, until: 2026-12-31}
- {ids: [], reason: "  ", until: 2026-02-30}
"""
    accept = """\
- {id: a, reason: x, until: 2026-12-31}
- {reason: x, until: 2026-12-31, max_drop: 0.1}
- {metric: helpful, reason: x, until: 2026-12-31, max_drop: 0}
- {metric: helpful, reason: x, until: 20261231, max_drop: 0.1}
"""
    found = problems_of(tmp_path, quarantine=quarantine, accept=accept)
    assert found == [
        '.lm-eval-so/quarantine.yaml:2  [0].reson: unknown key "reson" (did you mean "reason"?)',
        ".lm-eval-so/quarantine.yaml:5  [1].until: a day as 2026-12-31 is wanted, found '31.12.2026'",
        ".lm-eval-so/quarantine.yaml:6  [2]: id and ids exclude each other",
        ".lm-eval-so/quarantine.yaml:7  [3].id: input should be a valid string, found 1.5",
        ".lm-eval-so/quarantine.yaml:8  [4].ids: list should have at least 1 item after validation, not 0",
        ".lm-eval-so/quarantine.yaml:8  [4].reason: input should have another form, found '  '",
        ".lm-eval-so/quarantine.yaml:8  [4].until: a day as 2026-12-31 is wanted, found '2026-02-30'",
        '.lm-eval-so/accept.yaml:1  [0].max_drop: the key "max_drop" is missing',
        ".lm-eval-so/accept.yaml:2  [1]: one of id, ids or metric is needed",
        ".lm-eval-so/accept.yaml:3  [2].max_drop: input should be greater than 0, found 0",
        ".lm-eval-so/accept.yaml:4  [3].until: a day as 2026-12-31 is wanted, found 20261231",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("id: a\nreason: x\n", "not a list of entries"),
        ("- [a, b]\n", "input should be a mapping of keys"),
        ("- a\n", "input should be a mapping of keys, found 'a'"),
        ("- {id: a, id: b}\n", 'the key "id" stands twice'),
        ("- {id: a\n", "no YAML"),
    ],
)
def test_read__what_is_no_list_of_mappings_is_refused(tmp_path: Path, text: str, what) -> None:
    (found,) = problems_of(tmp_path, quarantine=text)
    assert what in found
    assert ".lm-eval-so/quarantine.yaml:" in found


def test_read__a_change_is_accepted_for_ninety_days_at_most(tmp_path: Path) -> None:
    accept = "- {metric: helpful, reason: x, until: 2027-02-23, max_drop: 0.1}\n"
    assert problems_of(tmp_path, accept=accept) == [
        ".lm-eval-so/accept.yaml:1: until 2027-02-23 is more than 90 days ahead"
    ]
    assert not read_exceptions(config(tmp_path, accept=accept), day=date(2026, 11, 25)).quarantine


@pytest.mark.parametrize(
    ("base", "on_base"),
    [
        ([], False),
        ([entry("환불", "m", max_drop=0.5)], True),
        ([entry("환불", "m", max_drop=0.5, reason="other words")], True),
        ([entry("환불", max_drop=0.5)], True),  # of all metrics
        ([entry("환불", "m", max_drop=0.7, until="2027-01-31")], True),
        ([entry("환불", "m", max_drop=0.4)], False),  # allowed less
        ([entry("환불", "m", max_drop=0.5, until="2026-12-30")], False),  # and for shorter
        ([entry("환불", "other", max_drop=1)], False),
        ([entry("교환", "m", max_drop=1)], False),
        ([entry(None, "m", max_drop=1)], False),  # its mean is another thing
    ],
)
def test_hold_against_base__an_entry_that_goes_no_further_stands_there(base, on_base) -> None:
    exceptions = Exceptions(accept=(entry("환불", "m", max_drop=0.5),))
    for is_strict in (False, True):
        [found] = hold_against_base(exceptions, base, is_strict=is_strict).accept
        assert (found.on_base, found.counts) == (on_base, on_base or not is_strict)


def test_hold_against_base__an_entry_of_one_metric_allows_nothing_to_the_others() -> None:
    exceptions = Exceptions(accept=(entry("s1", max_drop=1), entry(None, "m", max_drop=1)))
    base = [entry("s1", "m", max_drop=1), entry(None, "m", max_drop=1)]
    found = hold_against_base(exceptions, base, is_strict=False).accept
    assert [each.on_base for each in found] == [False, True]


@pytest.mark.parametrize("content", [b"- [", b"\xff", b"a: 1", b"", b"- {id: x}"])
def test_read_accepted__what_is_no_entry_accepts_nothing(content: bytes) -> None:
    assert read_accepted(content) == ()
    found = read_accepted(content + b"\n" + ACCEPTED.encode())
    assert len(found) == (2 if content in {b"", b"- {id: x}"} else 0)


@pytest.mark.parametrize(
    ("rules", "accepted", "counts", "on_base"),
    [
        ("strict", None, [True, True], None),  # nothing is proposed
        ("strict", b"", [False, False], False),
        ("base", b"", [True, True], False),
        ("strict", ACCEPTED.encode(), [True, True], True),
    ],
)
def test_read_terms__the_rules_say_whether_the_proposal_s_own_entries_count(
    tmp_path: Path, rules: str, accepted: bytes | None, counts: list[bool], on_base: bool | None
) -> None:
    made = config(tmp_path, gate=f"gate: {{rules: {rules}}}\n", accept=ACCEPTED)
    found = read_terms(made, now="2026-11-24T06:30:00Z", accepted=accepted).exceptions.accept
    assert [each.counts for each in found] == counts
    assert {each.on_base for each in found} == {on_base}
