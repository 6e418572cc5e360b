import sqlite3
from pathlib import Path

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.evaluator.kept_scores import KeptScores, forget_scores, row_key

PRINTS = {"exact_match": "a" * 64, "helpful": "b" * 64}
KEY = b"k" * 16


def kept(path: Path, prints: dict[str, str] | None = None) -> tuple[KeptScores, list[str]]:
    warnings: list[str] = []
    return KeptScores(path, warnings.append, fingerprints=prints or PRINTS), warnings


def a_score(metric: str = "exact_match", **fields: object) -> Score:
    given = {"status": ScoreStatus.SCORED, "value": 0.5, "reason": "환불은 3일"}
    return Score(**{"metric": metric, "sample_id": "s1", **given, **fields})


def test_get__gives_what_was_put_in_another_process(tmp_path: Path):
    vote = JudgeVote(label="good", evidence=("3일",), calls=1, cost_usd=0.001)
    scores = {"exact_match": a_score(), "helpful": a_score("helpful", judge=(vote,))}
    with kept(tmp_path / "s.sqlite")[0] as store:
        store.put(KEY, scores)
    with kept(tmp_path / "s.sqlite")[0] as store:
        assert store.get(KEY) == scores
        assert store.get(b"another") == {}


def test_get__leaves_out_a_metric_whose_definition_changed(tmp_path: Path):
    with kept(tmp_path / "s.sqlite")[0] as store:
        store.put(KEY, {"exact_match": a_score(), "helpful": a_score("helpful")})
    with kept(tmp_path / "s.sqlite", {**PRINTS, "helpful": "c" * 64})[0] as store:
        assert set(store.get(KEY)) == {"exact_match"}


@pytest.mark.parametrize(
    "code", ["judge_error", "judge_budget", "metric_error", "embed_error", "regex_timeout"]
)
def test_put__keeps_nothing_that_may_turn_out_otherwise(tmp_path: Path, code: str):
    failed = a_score(status=ScoreStatus.UNSCORED, value=None, code=code)
    with kept(tmp_path / "s.sqlite")[0] as store:
        store.put(KEY, {"exact_match": failed})
    with kept(tmp_path / "s.sqlite")[0] as store:
        assert store.get(KEY) == {}


@pytest.mark.parametrize("code", [None, "judge_quorum"])
def test_put__keeps_no_score_to_which_a_vote_may_yet_come(tmp_path: Path, code: str | None):
    votes = (
        JudgeVote(label="good", value=1.0, calls=1),
        JudgeVote(label=None, code="judge_error", calls=1),
    )
    status = ScoreStatus.UNSCORED if code else ScoreStatus.SCORED
    score = a_score(status=status, value=None if code else 1.0, code=code, judge=votes)
    with kept(tmp_path / "s.sqlite")[0] as store:
        store.put(KEY, {"helpful": score})
    with kept(tmp_path / "s.sqlite")[0] as store:
        assert store.get(KEY) == {}


def test_row_key__changes_with_sample_and_row():
    keys = {
        row_key(a_sample(), a_run("3일")),
        row_key(a_sample(tags=("refund",)), a_run("3일")),
        row_key(a_sample(), a_run("4일")),
    }
    assert len(keys) == 3
    assert row_key(a_sample(), a_run("3일")) in keys


def test_open__a_file_that_is_no_database_is_told_once(tmp_path: Path):
    (tmp_path / "s.sqlite").write_text("no database at all, but long enough to be looked at " * 30)
    store, warnings = kept(tmp_path / "s.sqlite")
    with store:
        store.put(KEY, {"exact_match": a_score()})
        assert store.get(KEY) == {}
    (warning,) = warnings
    assert "scores cannot be kept" in warning


def test_get__takes_no_harm_from_a_value_of_another_shape(tmp_path: Path):
    with kept(tmp_path / "s.sqlite")[0] as store:
        store.put(KEY, {"exact_match": a_score()})
    with sqlite3.connect(tmp_path / "s.sqlite") as file:
        file.execute("UPDATE scores SET value = ?", (b'{"x": 1}',))
    with kept(tmp_path / "s.sqlite")[0] as store:
        assert store.get(KEY) == {}


def test_open__keeps_itself_out_of_git(tmp_path: Path):
    folder = tmp_path / ".lm-eval-so"
    folder.mkdir()
    (folder / ".gitignore").write_text("/cache.sqlite*\n")
    for _ in range(2):
        with kept(folder / "scores.sqlite")[0]:
            pass
    assert (folder / ".gitignore").read_text() == "/cache.sqlite*\n/scores.sqlite*\n"


def test_forget_scores__removes_them_and_their_logs(tmp_path: Path):
    with kept(tmp_path / "scores.sqlite")[0] as store:
        store.put(KEY, {"exact_match": a_score()})
    (tmp_path / "cache.sqlite").write_bytes(b"answers")
    (tmp_path / "scores.sqlite-wal").write_bytes(b"log")
    forget_scores(tmp_path / "cache.sqlite")
    assert [file.name for file in tmp_path.iterdir() if "scores" in file.name] == []
    forget_scores(tmp_path / "cache.sqlite")  # nothing there is nothing to do
