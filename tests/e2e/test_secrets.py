"""Secrets: everything that the commands write or print is searched for the keys that they were given."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from servers.commands import Done, lm_eval_so
from servers.runs import write_dataset

from lm_eval_so.testing import ChatServer, Reply, Seen

KEY = "sk-test-1234567890abcdef"
HEADER = "Bearer bot-token-9f/8+7=="
FILED = "file-secret-00112233"
SECRETS = (KEY, HEADER, HEADER.removeprefix("Bearer "), FILED)


def forms(secret: str) -> set[str]:
    """Ways in which a server may say a key back."""
    return {
        secret,
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode().rstrip("="),
        json.dumps(secret)[1:-1],
    }


def told(folder: Path, *done: Done) -> dict[str, bytes]:
    """Everything that was written into a folder or printed, by where it stands."""
    inputs = {"test.jsonl", "lm-eval-so.yaml", "key.txt"}
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in inputs)
    texts = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    for number, each in enumerate(done):
        texts[f"stderr {number}"] = each.stderr.encode()
        texts[f"stdout {number}"] = each.stdout.encode()
    return texts


def assert_no_secret(texts: Mapping[str, bytes]) -> None:
    found = [
        (place, form)
        for place, text in texts.items()
        for secret in SECRETS
        for form in forms(secret)
        if form.encode() in text
    ]
    assert not found


def script(seen: Seen) -> Reply:
    """Say the key back in every place that a server has."""
    both = f"{KEY} {base64.b64encode(KEY.encode()).decode()} {quote(HEADER, safe='')} {FILED}"
    headers = {"x-request-id": KEY, "x-ratelimit-note": HEADER}
    number = seen.text.removeprefix("질문 ")
    if number == "1":
        return Reply(status=400, message=f"bad key {both}", code=KEY, headers=headers)
    if number == "2":
        return Reply(body=f"<html>{both}".encode(), headers=headers)
    if number == "3" and seen.nth == 0:
        return Reply(status=500, message=both, headers={**headers, "retry-after": "0"})
    if number == "4":
        fields = {"refusal": f"no {both}", "reasoning_content": both, "content": None}
        return Reply(message_fields=fields, headers=headers)
    return Reply(text=f"답 {both}", model=f"model-{KEY}", headers=headers)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    samples = [{"id": f"q{i}", "input": f"질문 {i}", "expected": "답"} for i in range(12)]
    write_dataset(tmp_path, samples)
    (tmp_path / "key.txt").write_text(FILED + "\n", encoding="utf-8")
    return tmp_path


def config(url: str) -> str:
    backend = {
        "name": "openai",
        "params": {"model": "m", "temperature": 0},
        "options": {
            "base_url": url,
            "headers_env": {"X-Bot": "BOT_TOKEN"},
            "headers_file": {"X-Filed": "key.txt"},
        },
    }
    return json.dumps(
        {
            "version": 1,
            "suite": "shop",
            "dataset": {"path": "."},
            "backend": backend,
            "run": {"keep_raw": True, "max_attempts": 2},
            "metrics": ["exact_match", "ttft_ms"],
            "report": {"formats": ["json", "md"]},
        }
    )


def test_commands__no_secret_in_anything_that_is_written(folder: Path) -> None:
    environ = {"OPENAI_API_KEY": KEY, "BOT_TOKEN": HEADER}
    with ChatServer(script) as server:
        (folder / "lm-eval-so.yaml").write_text(config(server.url), encoding="utf-8")
        done = [
            lm_eval_so(*arguments, cwd=folder, environ=environ)
            for arguments in (
                ["run", "--json"],
                ["run", "--dry-run", "--fresh", "-v"],
                ["evaluate", "--json"],
                ["doctor", "--ask"],
                ["cache", "export"],
                ["ci", "--fresh"],
            )
        ]
        assert any(seen.headers.get("x-filed") == FILED for seen in server.requests)
        assert any(seen.headers.get("x-bot") == HEADER for seen in server.requests)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert [each.returncode for each in done] == [0] * 6, [each.stderr for each in done]
    texts = told(folder, *done)
    assert any(name.endswith("cache.sqlite") for name in texts)
    assert b"[redacted:OPENAI_API_KEY]" in texts["runs/openai_m/run_results.jsonl"]
    assert b"[redacted:key.txt]" in texts["runs/openai_m/run_results.jsonl"]
    assert_no_secret(texts)


def test_run__refused_key_is_not_shown(folder: Path) -> None:
    refused = Reply(status=401, message=f"Incorrect API key provided: {KEY}", code=KEY)
    with ChatServer(lambda _: refused) as server:
        (folder / "lm-eval-so.yaml").write_text(config(server.url), encoding="utf-8")
        environ = {"OPENAI_API_KEY": KEY, "BOT_TOKEN": HEADER}
        done = lm_eval_so("run", "-v", cwd=folder, environ=environ)
        assert len(server.requests) == 1
    assert done.returncode == 4
    assert "the endpoint refused the key in OPENAI_API_KEY (401:" in done.stderr
    assert_no_secret(told(folder, done))


def test_run__missing_key_file_is_named(folder: Path) -> None:
    (folder / "key.txt").unlink()
    (folder / "lm-eval-so.yaml").write_text(config("http://127.0.0.1:9/v1"), encoding="utf-8")
    environ = {"OPENAI_API_KEY": KEY, "BOT_TOKEN": ""}
    done = lm_eval_so("run", cwd=folder, environ=environ)
    assert done.returncode == 2
    assert "key.txt has nothing in it, or is not there" in done.stderr
    assert "BOT_TOKEN is not set" in done.stderr
