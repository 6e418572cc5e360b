"""Jobs of a matrix: each asks its shard, the last puts them together and tells the verdict."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.checkout import KEY, Checkout, N, open_checkout
from servers.commands import git

from lm_eval_so.testing.chat_server import Reply, Seen

JUDGED = """\
metrics:
  - exact_match
  - name: llm_judge
    params: {rubric: rubric.md, labels: [good, bad]}
    backend: {name: openai, params: {model: j}, options: {base_url: "${BOT_URL}", api_key_env: JUDGE_KEY}}
"""
TIMES = {
    *(
        "started_at",
        "finished_at",
        "evaluated_at",
        "compared_at",
        "answered",
        "latency",
        "latency_ms",
    ),
    "candidate_digest",  # of them, too
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Checkout]:
    with open_checkout(tmp_path) as found:
        yield found


def ask(place: Checkout, number: int, *, of: int = 2, **more: str) -> Any:
    shard, folder = f"{number}/{of}", f"shards/shard-{number}"
    return place.ci(INPUT_SHARD=shard, INPUT_REPORT_DIR=folder, **more)


def merge(place: Checkout, **more: str) -> Any:
    return place.ci(INPUT_COMMAND="merge", INPUT_MERGE_GLOB="shards/*/run", **more)


def report_of(place: Checkout, name: str = "report") -> dict[str, Any]:
    """Return a record without what time alone decides."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k not in TIMES}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = [each for each in value if each.get("metric") != "latency_ms"]
        return [plain(each) for each in value] if isinstance(value, list) else value

    file = place.folder / f"lm-eval-so-report/{name}.json"
    found: dict[str, Any] = plain(json.loads(file.read_text(encoding="utf-8")))
    return found


def without_a_case_and_a_limit(place: Checkout) -> None:
    """Let the pull request loosen main's rules, which all jobs follow all the same."""
    git("checkout", "-q", "topic", cwd=place.folder)
    data, config = place.folder / "data/test.jsonl", place.folder / "lm-eval-so.yaml"
    lines = data.read_text(encoding="utf-8").splitlines(keepends=True)
    data.write_text("".join(lines[1:]), encoding="utf-8")
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("margin: 0.05", "margin: 0.9"), encoding="utf-8")
    place.commit("looser")


def test_ci__four_shards_are_the_unsharded_run(place: Checkout) -> None:
    right = place.answer
    without_a_case_and_a_limit(place)
    place.answer = lambda seen: "틀린 답" if seen.text.endswith("#7") else right(seen)
    for number in (1, 2, 3, 4):
        done = ask(place, number, of=4)
        assert done.returncode == 0, done.stderr
        assert place.outputs()["verdict"] == "skipped"
        assert place.outputs()["passed"] == "true"
        files = {file.name for file in (place.folder / f"shards/shard-{number}").iterdir()}
        assert files == {"run"}
    assert not place.hub.requests
    asked = len(place.bot.requests)
    merged = merge(place)
    assert merged.returncode == 0, merged.stderr
    [body] = place.hub.bodies(7).values()
    assert "`q7`" in body
    assert place.outputs()["verdict"] == "inconclusive"
    further = len(place.bot.requests) - asked
    assert 0 < further < N  # the case that went wrong was asked again from here
    found = [report_of(place, name) for name in ("report", "comparison")]

    shutil.rmtree(place.folder / "lm-eval-so-report")
    whole = place.ci(GITHUB_RUN_ID="7")
    assert whole.returncode == 0, whole.stderr
    assert len(place.bot.requests) - asked - further == N + further
    assert found == [report_of(place, name) for name in ("report", "comparison")]
    assert list(place.hub.bodies(7)) == [1001]


def test_ci__a_shard_needs_no_judge_and_its_verdict_no_chatbot(place: Checkout) -> None:
    config = place.folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8")
    line = next(each for each in text.splitlines() if each.startswith("metrics:"))
    config.write_text(text.replace(f"{line}\n", JUDGED), encoding="utf-8")
    (place.folder / "rubric.md").write_text("Is it right?\n", encoding="utf-8")
    place.commit("a judge")
    answer = place.answer

    def said(seen: Seen) -> str:
        if "right?" in json.dumps(seen.body):
            return '{"reason": "so it is", "label": "good"}'
        return "틀린 답" if seen.text.endswith("#7") else answer(seen)

    place.answer = said
    for number in (1, 2):
        assert ask(place, number).returncode == 0
    gone = Reply(status=401, body=b'{"error": {"message": "who are you"}}')
    for key, why in (("", "OPENAI_API_KEY is not set"), (KEY, "refused the key")):
        place.answer = lambda seen: said(seen) if "right?" in json.dumps(seen.body) else gone
        done = merge(place, JUDGE_KEY=KEY, OPENAI_API_KEY=key)
        assert done.returncode == 0, done.stderr
        assert "could not ask cases again" in done.stderr
        assert why in done.stderr
        comparison = report_of(place, "comparison")
        codes = [each["code"] for each in comparison["broken"]["warnings"]]
        assert codes == ["not_asked_again"]


PLANTED = ("질문 #7", "답 7", "PLANTED-ANSWER", "PLANTED-REASON", "PLANTED-TRUTH")


def test_ci__answers_that_may_not_be_shown_stand_nowhere(place: Checkout) -> None:
    config = place.folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8")
    line = next(each for each in text.splitlines() if each.startswith("metrics:"))
    config.write_text(
        f"{text.replace(f'{line}', JUDGED)}report: {{formats: [json, md, html, junit, csv]}}\n",
        encoding="utf-8",
    )
    (place.folder / "rubric.md").write_text("Is it right?\n", encoding="utf-8")
    samples = place.folder / "data/test.jsonl"
    edited = samples.read_text(encoding="utf-8").replace('"답 8"', '"PLANTED-TRUTH"')
    samples.write_text(edited, encoding="utf-8")
    place.commit("a judge, and another truth")
    answer = place.answer

    def said(seen: Seen) -> str:
        if "right?" in json.dumps(seen.body):
            is_bad = "PLANTED-ANSWER" in json.dumps(seen.body)
            reason = f"PLANTED-REASON: {PLANTED}" if is_bad else "fine"
            return json.dumps({"reason": reason, "label": "bad" if is_bad else "good"})
        return "PLANTED-ANSWER" if seen.text.endswith("#7") else answer(seen)

    place.answer = said
    hidden = {"INPUT_SHOW_ANSWERS": "none", "JUDGE_KEY": KEY}
    done = place.ci(**hidden)
    assert done.returncode == 0, done.stderr
    reports = place.folder / "lm-eval-so-report"
    files = [file for file in reports.rglob("*") if file.is_file()]
    files += [place.folder.parent / name for name in ("summary", "output")]
    texts = {str(file): file.read_text(encoding="utf-8") for file in files}
    texts |= {"comment": "".join(place.hub.bodies(7).values()), "log": done.stdout + done.stderr}
    found = {text: [name for name in texts if text in texts[name]] for text in PLANTED}
    assert not any(found.values()), found
    assert not (reports / "run").exists()
    assert "q7" in texts["comment"]
    kept = (place.folder / "runs/bot/run_results.jsonl").read_text(encoding="utf-8")
    assert "PLANTED-ANSWER" in kept
    inside = place.ci(**hidden, INPUT_REPORT_DIR="runs")
    assert inside.returncode == 2
    assert "keeps answers out of runs, and run.out leads there" in inside.stderr


def test_ci__what_a_matrix_lacks(place: Checkout) -> None:
    assert ask(place, 1).returncode == 0
    done = merge(place)
    assert done.returncode == 3, done.stderr
    assert "shard 2/2 is missing" in done.stderr
    assert place.outputs()["verdict"] == "error"
    [body] = place.hub.bodies(7).values()
    assert "shard 2/2 is missing" in body

    config = place.folder / "lm-eval-so.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace("gate: {", "run: {max_requests: 1}\ngate: {claim: these, stop: pass, "),
        encoding="utf-8",
    )
    asked = len(place.bot.requests)
    refused = ask(place, 2, INPUT_REPEATS="3")
    assert refused.returncode == 2
    assert "gate.stop asks in rounds" in refused.stderr
    assert "max_requests 1 cannot be divided among 2 shards" in refused.stderr
    config.write_text(text, encoding="utf-8")
    assert len(place.bot.requests) == asked
    assert list(place.hub.bodies(7).values()) == [body]  # whoever merges tells

    shutil.copytree(place.folder / "shards/shard-1", place.folder / "shards/kept")
    place.commit("brings a shard")
    done = merge(place)
    assert done.returncode == 2
    assert "shards/kept/run is a file of the commit" in done.stderr
    assert len(place.bot.requests) == asked
