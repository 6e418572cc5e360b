"""`doctor`: what is looked at, and what one request gives."""

import json
from pathlib import Path

import pytest
from servers.commands import lm_eval_so
from servers.runs import write_dataset

from lm_eval_so.testing import ChatServer, Reply


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dataset(tmp_path, [{"id": "q1", "input": "환불은 며칠?", "language": "ko"}])
    return tmp_path


def write_config(folder: Path, url: str, path: str = '"답변"."텍스트"', **sections: object) -> None:
    options = {
        "url": f"{url}/chat/completions",
        "body": {"messages": [{"role": "user", "content": "{{ last_user }}"}]},
        "response": {"text": path},
    }
    values = {
        "version": 1,
        "suite": "shop",
        "dataset": {"path": "."},
        "backend": {"name": "http", "label": "shop-bot", "options": options},
        "metrics": ["exact_match"],
        **sections,
    }
    (folder / "lm-eval-so.yaml").write_text(json.dumps(values), encoding="utf-8")


def bot(_: object) -> Reply:
    return Reply(body='{"답변": {"텍스트": "영업일 기준 3일"}, "출처": []}'.encode())


def test_doctor__asks_nothing_unless_told(folder: Path) -> None:
    with ChatServer(bot) as server:
        write_config(folder, server.url)
        done = lm_eval_so("doctor", cwd=folder)
        assert (done.returncode, server.requests) == (0, [])
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["chatbot"].startswith("shop-bot at http://127.0.0.1:")
    assert lines["metrics"] == "exact_match"
    assert not (folder / "runs").exists()


NOTHING_GATES = "warning: no metric gates, so nothing will be judged"
TOLD = "reported and not gating, unless gate.metrics names it: token_f1, both (wording only)"
WORDING = ["token_f1", {"id": "both", "name": "composite", "params": {"parts": ["token_f1"]}}]


@pytest.mark.parametrize(
    ("metrics", "gate", "gates", "told"),
    [
        (WORDING, {}, "none", f"{NOTHING_GATES} (token_f1, both: wording only)"),
        ([*WORDING, "exact_match"], {}, "exact_match", TOLD),
        (WORDING, {"metrics": {"token_f1": {}}}, "token_f1", "(wording only)"),
        (["latency_ms"], {}, "none", NOTHING_GATES),
        (["exact_match"], {}, "exact_match", None),
    ],
)
def test_doctor_and_dry_run__tell_what_will_decide_nothing(
    folder: Path, metrics: list[object], gate: dict[str, object], gates: str, told: str | None
) -> None:
    with ChatServer(bot) as server:
        write_config(folder, server.url, metrics=metrics, gate=gate)
        commands = (["doctor"], ["ci", "--dry-run", "--json"])
        looked, planned = (lm_eval_so(*command, cwd=folder) for command in commands)
        assert server.requests == []
    assert (looked.returncode, planned.returncode) == (0, 0), planned.stderr
    lines = dict(line.split(maxsplit=1) for line in looked.stdout.splitlines())
    assert lines["gate"] == gates
    json.loads(planned.stdout)
    for done in (looked, planned):
        assert (told or "") in done.stderr
        assert told is not None or "gat" not in done.stderr


PLAN = (
    "exact_match, 1 question, 1 answer each: can prove a margin of 94.8 points (5.0 points allowed), "
    "finds no drop; flips 10% (assumed); 263 questions would do, or 263 answers each with claim: these"
)


def test_doctor_and_dry_run__plan_the_gate_in_one_line(folder: Path) -> None:
    write_dataset(folder, [{"id": "q1", "input": "환불은 며칠?", "expected": "3일"}])
    commands = (["doctor"], ["run", "--dry-run"], ["ci", "--dry-run"])
    with ChatServer(bot) as server:
        write_config(folder, server.url, language="ko", baseline={"path": "base.json"})
        for command in commands:
            done = lm_eval_so(*command, cwd=folder)
            assert done.returncode == 0, done.stderr
            (line,) = (each for each in done.stdout.splitlines() if each.startswith("plan "))
            assert line.split(maxsplit=1)[1] == PLAN
            plan = json.loads(lm_eval_so(*command, "--json", cwd=folder).stdout)["plan"]
            assert (plan["metric"], plan["n"], plan["source"]) == ("exact_match", 1, "assumed")
            assert [row["requests"] for row in plan["rows"]] == [1, 3, 5]
            assert plan["needed"] == {"n": 263, "least_n": 58, "repeats": 263}
        assert server.requests == []


def test_doctor_and_dry_run__a_baseline_that_cannot_be_read_fails_no_plan(folder: Path) -> None:
    write_dataset(folder, [{"id": "q1", "input": "환불은 며칠?", "expected": "3일"}])
    (folder / "base.json").write_text("{}", encoding="utf-8")
    with ChatServer(bot) as server:
        write_config(folder, server.url, baseline={"path": "base.json"})
        for command in (["doctor"], ["run", "--dry-run"], ["ci", "--dry-run"]):
            done = lm_eval_so(*command, cwd=folder)
            assert done.returncode == 0, done.stderr
            assert "warning: planned without the baseline: base.json  " in done.stderr
            assert PLAN in done.stdout


def test_doctor_and_dry_run__nothing_is_planned_where_no_margin_decides(folder: Path) -> None:
    with ChatServer(bot) as server:
        write_config(folder, server.url, metrics=["latency_ms"])
        for command in (["doctor"], ["run", "--dry-run"], ["ci", "--dry-run"]):
            done = lm_eval_so(*command, cwd=folder)
            assert done.returncode == 0, done.stderr
            assert "plan" not in {line.split()[0] for line in done.stdout.splitlines()}
            assert json.loads(lm_eval_so(*command, "--json", cwd=folder).stdout)["plan"] is None


def test_doctor__shows_mapped_and_raw_response(folder: Path) -> None:
    with ChatServer(bot) as server:
        write_config(folder, server.url)
        done = lm_eval_so("doctor", "--ask", "--json", cwd=folder)
        assert len(server.requests) == 1
    assert done.returncode == 0, done.stderr
    asked = json.loads(done.stdout)["asked"]
    assert asked["question"] == "환불은 며칠?"
    assert asked["answer"]["text"] == "영업일 기준 3일"
    assert asked["raw"] == {"답변": {"텍스트": "영업일 기준 3일"}, "출처": []}


def test_doctor__wrong_path_names_what_is_there(folder: Path) -> None:
    with ChatServer(bot) as server:
        write_config(folder, server.url, "answer")
        done = lm_eval_so("doctor", "--ask", cwd=folder)
    assert done.returncode == 2
    assert "답변, 출처" in done.stderr


def test_doctor__and_those_that_pay_find_a_folder_that_cannot_be_written(folder: Path) -> None:
    (folder / "reports").write_text("a file", "utf-8")
    with ChatServer(bot) as server:
        write_config(folder, server.url)
        assert lm_eval_so("run", cwd=folder).returncode == 0
        asked = len(server.requests)
        for command in ("doctor", "evaluate", "ci"):
            done = lm_eval_so(command, "--set", "run.cache=false", cwd=folder)
            assert (done.returncode, done.stdout) == (2, "")
            assert "error: cannot write reports: Not a directory" in done.stderr
        assert len(server.requests) == asked
        looked = lm_eval_so("doctor", "--set", "report.out=보고서", cwd=folder)
    assert looked.returncode == 0
    assert "written to  runs/shop-bot, 보고서" in looked.stdout
    assert not (folder / "보고서").exists()


def test_doctor__names_every_problem(folder: Path) -> None:
    write_config(folder, "http://127.0.0.1:9/v1")
    done = lm_eval_so(
        "doctor", "--set", "backend.options.headers_env.X-Key=NO_SUCH_KEY", cwd=folder
    )
    assert done.returncode == 2
    assert "NO_SUCH_KEY is not set" in done.stderr


def test_doctor__no_chatbot_hides_no_other_problem(folder: Path) -> None:
    (folder / "reports").write_text("a file", "utf-8")
    values = {"version": 1, "suite": "shop", "dataset": {"path": "."}, "metrics": ["exact_macth"]}
    (folder / "lm-eval-so.yaml").write_text(json.dumps(values), "utf-8")
    done = lm_eval_so("doctor", cwd=folder)
    assert done.returncode == 2
    for what in ('the key "backend" is missing', 'did you mean "exact_match"', "cannot write"):
        assert what in done.stderr
    assert "choose another folder, by -o or in the config" in done.stderr
