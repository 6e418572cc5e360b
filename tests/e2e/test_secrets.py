"""Secrets: everything that the commands write or print is searched for the keys that they were given."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from servers.checkout import Checkout, open_checkout
from servers.commands import Done, git, lm_eval_so
from servers.runner_log import split_masks
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
    inputs = {"test.jsonl", "all.jsonl", "lm-eval-so.yaml", "key.txt"}
    found = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    files = (path for path in found if path.name not in inputs)
    texts = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    for number, each in enumerate(done):
        texts[f"stderr {number}"] = each.stderr.encode()
        texts[f"stdout {number}"] = split_masks(each.stdout)[1].encode()
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


@pytest.mark.parametrize(
    "put",
    [
        "backend.options.api_key_env=GITHUB_TOKEN",
        "backend.options.headers_env.X-Bot=INPUT_GITHUB_TOKEN",
        "system=${INPUT_GITHUB_TOKEN:-none}",
    ],
)
def test_ci__a_config_cannot_send_the_workflows_own_token(folder: Path, put: str) -> None:
    token = "ghs_token_of_the_workflow"
    environ = {"OPENAI_API_KEY": KEY, "BOT_TOKEN": HEADER}
    environ |= {"GITHUB_TOKEN": token, "INPUT_GITHUB_TOKEN": token}
    with ChatServer() as server:
        (folder / "lm-eval-so.yaml").write_text(config(server.url), encoding="utf-8")
        done = lm_eval_so("ci", "--set", put, cwd=folder, environ=environ)
        assert not server.requests
    assert done.returncode == 2
    assert "a config cannot name the variable" in done.stderr
    assert "fix: give the step a variable of another name" in done.stderr
    assert token not in done.stderr


def test_ci__takes_the_actions_own_inputs(tmp_path: Path) -> None:
    """The token and `openai_api_key` come in as INPUT_* variables, which a config cannot name."""
    with open_checkout(tmp_path) as place:
        asked = len(place.bot.requests)
        done = place.ci(OPENAI_API_KEY="", INPUT_OPENAI_API_KEY=KEY)
        assert done.returncode == 0, done.stderr
        sent = place.bot.requests[asked:]
        assert sent
        assert {seen.headers["authorization"] for seen in sent} == {f"Bearer {KEY}"}
        assert place.hub.bodies(7)


ENV = {
    "BOT_PORT": "",
    "SUITE": "shop",
    "STAGE": "production",
    "MODEL": "shop-model-7",
    "USERV": "svc-user",
    "PASSV": "p4ss%2Fof+userinfo",
    "QUERYV": "query-value-by-name-5521",
    "AUTHV": "hush-hush-header-5522",
    "BOT_VALUE": "held-by-variable-5523",
    "PERSONA": "persona-of-the-prompt-5524",
    "TENANT": "tenant-of-the-body-5525",
    "PATTERNV": "pattern-of-a-metric-5526",
    "JUDGEV": "header-of-a-judge-5527",
    "JUDGE_BEARER": "bearer-of-a-judge-5528",
    "PROXYV": "",
    "DESCRIBED": "description-5529",
}
LITERAL = {
    "header": "literal-header-6631",
    "query in the url": "literal-query-6632",
    "judge": "judge-pass-6633",
    "proxy": "proxy-pass-6634",
    "--set": "literal-set-6635",
    "file": FILED,
}
SHOWN = {"SUITE", "STAGE", "MODEL", "BOT_PORT", "PROXYV", "USERV"}
HIDDEN = {
    **{name: value for name, value in ENV.items() if name not in SHOWN},
    **LITERAL,
    "decoded password": "p4ss/of+userinfo",
    "key": KEY,
    "token": "ghs_token_of_the_workflow",
}
USERINFO, JUDGE, PROXY = (
    "svc-user:p4ss/of+userinfo",
    "judge:judge-pass-6633",
    "proxy:proxy-pass-6634",
)
ANSWER = "답 {} in production: shop-model-7, svc"


def every_form(secret: str) -> set[str]:
    """The forms of a secret that may be read again, its base64 inside of a longer text included."""
    found = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
    for before in range(3):
        text = bytes(before) + secret.encode() + bytes(3)
        first, last = -(-before * 8 // 6), (before + len(secret.encode())) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(text).decode()[first:last])
    return found


def echoed(seen: Seen) -> str:
    """Say back every header that came, as it came and in base64 at every alignment."""
    told = [json.dumps(dict(seen.headers)), seen.path]
    for value in seen.headers.values():
        told += [base64.b64encode(f"{'u:ab'[:n]}{value}!".encode()).decode() for n in range(1, 4)]
        told.append(base64.urlsafe_b64encode(f"?>{value}".encode()).decode())
    return " ".join(told)


def secret_bot(seen: Seen) -> Reply:
    number = int(seen.body["message"].rpartition("#")[2])
    if number == 3:
        return Reply(status=400, message=f"no: {echoed(seen)}", code=seen.headers["x-api-key"])
    if number % 2:
        return Reply(text=f"{ANSWER.format(number)} {echoed(seen)}", model=seen.headers["x-token"])
    return Reply(text=ANSWER.format(number))


def secret_judge(seen: Seen) -> Reply:
    said = {"reason": f"fine: {echoed(seen)}", "evidence": [], "label": "good"}
    return Reply(text=json.dumps(said, ensure_ascii=False))


def secret_config(judge: str) -> str:
    asked = {"messages": "{{ messages }}"}
    host = judge.removeprefix("http://")
    rubric = {"rubric": "Is it an answer?", "labels": ["good", "bad"]}
    judges = [
        {
            "name": "http",
            "options": {
                "url": f"http://judge:{LITERAL['judge']}@{host}/chat/completions",
                "headers": {"X-Judge": "Bearer ${JUDGEV}"},
                "body": asked,
                "response": {"text": "choices[0].message.content"},
            },
        },
        {
            "name": "openai",
            "params": {"model": "judge-model"},
            "options": {
                "base_url": "http://judge.invalid/v1",
                "api_key_env": "JUDGE_BEARER",
                "proxy_env": "PROXYV",
            },
        },
    ]
    metrics = [
        "exact_match",
        {"name": "regex", "params": {"pattern": "${PATTERNV}"}},
        *(
            {"id": f"j{n}", "name": "llm_judge", "params": rubric, "backend": each}
            for n, each in enumerate(judges)
        ),
    ]
    options = {
        "url": "http://${USERV}:${PASSV}@127.0.0.1:${BOT_PORT}/v1/chat?api_key="
        + LITERAL["query in the url"],
        "query": {"user": "${QUERYV}", "channel": "web"},
        "headers": {
            "X-Api-Key": LITERAL["header"],
            "X-Caller": "Bearer ${AUTHV}",
            "X-Stage": "${STAGE}",
        },
        "headers_env": {"X-Bot": "BOT_VALUE"},
        "headers_file": {"X-Filed": "key.txt"},
        "body": {"message": "{{ last_user }}", "system": "{{ system }}", "tenant": "${TENANT}"},
        "response": {"text": "choices[0].message.content", "model": "model"},
    }
    return json.dumps(
        {
            "version": 1,
            "suite": "${SUITE}",
            "language": "ko",
            "dataset": {"path": "made", "description": "${DESCRIBED}"},
            "generator": {"sources": [{"id": "all", "path": "all.jsonl", "as": "samples"}]},
            "backend": {
                "name": "http",
                "label": "${STAGE}",
                "params": {"model": "${MODEL}"},
                "options": options,
            },
            "system": "You are ${PERSONA}.",
            "run": {"keep_raw": True},
            "metrics": metrics,
            "baseline": {"path": "baselines/shop.json"},
            "gate": {"metrics": {"exact_match": {"margin": 0.9}}},
            "report": {"formats": ["json", "md", "html"]},
        },
        ensure_ascii=False,
    )


def write_everything(place: Checkout, judge: ChatServer) -> list[Done]:
    """Run `ci` on the pull request, take its report as the baseline, and look at it in every way."""
    folder, lines = place.folder, []
    git("checkout", "-q", "topic", cwd=folder)
    for line in (folder / "data/test.jsonl").read_text(encoding="utf-8").splitlines():
        number = json.loads(line)["id"].removeprefix("q")
        row = {**json.loads(line), "expected": ANSWER.format(number)}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    (folder / "all.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "key.txt").write_text(FILED, encoding="utf-8")
    (folder / "lm-eval-so.yaml").write_text(secret_config(judge.url), encoding="utf-8")
    place.commit("secrets")
    proxy = judge.url.removesuffix("/v1").replace("://", f"://proxy:{LITERAL['proxy']}@")
    port = place.bot.url.removesuffix("/v1").rpartition(":")[2]
    environ = place.environ(**{**ENV, "BOT_PORT": port, "PROXYV": proxy})
    put = ["--set", f"backend.options.headers.X-Token={LITERAL['--set']}"]
    commands = (
        ["ci", "--verbose", *put],
        ["ci", "--dry-run", *put],
        ["doctor", "--ask", *put],
        ["baseline", "update", "lm-eval-so-report", "--force", "--reason", "new", *put],
        ["baseline", "show", "--json", *put],
        ["cache", "export"],
    )
    done = [lm_eval_so(*command, cwd=folder, environ=environ) for command in commands]
    # main's cases are asked as well, and this chatbot does not know their answers
    assert [each.returncode for each in done] == [1, 0, 0, 0, 0, 0], [d.stderr for d in done]
    return done


def test_ci__no_secret_in_anything_that_it_and_a_new_baseline_write(tmp_path: Path) -> None:
    with open_checkout(tmp_path) as place, ChatServer(secret_judge) as judge:
        place.bot.script = secret_bot
        done = write_everything(place, judge)
        seen = [place.bot.requests[-1], *judge.requests]
        sent = json.dumps([[each.path, dict(each.headers), each.raw.decode()] for each in seen])
        github = json.dumps([each.body for each in place.hub.requests])
    basic = [base64.b64encode(text.encode()).decode() for text in (USERINFO, JUDGE, PROXY)]
    of_files = {"PATTERNV", "DESCRIBED", "userinfo", "key", "token", "PASSV", "decoded password"}
    for secret in [
        *basic,
        *(v for k, v in HIDDEN.items() if k not in {*of_files, "judge", "proxy"}),
    ]:
        assert secret in sent  # else nothing would be shown by its absence below

    texts = {"github": github.encode(), **told(tmp_path, *done)}
    for name in ("baselines/shop.json", "lm-eval-so-report/report.html", "made/metadata.json"):
        assert f"repo/{name}" in texts
    assert {"output", "summary", "repo/.lm-eval-so/cache.sqlite"} <= texts.keys()
    found = [
        (place, name)
        for place, text in texts.items()
        for name, secret in HIDDEN.items()
        for form in every_form(secret)
        if form.encode() in text
    ]
    assert not found

    report = json.loads(texts["repo/baselines/shop.json"])
    head, samples = report["experiment"], report["samples"]
    assert (head["suite"], head["backend"]["label"]) == (ENV["SUITE"], ENV["STAGE"])
    assert head["run_config"]["backend"]["params"] == {"model": ENV["MODEL"]}
    assert head["run_config"]["system"] == head["backend"]["system"] == "You are ${PERSONA}."
    reach = head["run_config"]["backend"]["reach"]
    assert reach["url"] == place.bot.url.removesuffix("/v1") + "/v1/chat"
    assert reach["query"] == ["api_key", "user", "channel"]
    assert reach["body"]["tenant"] == "${TENANT}"
    assert report["metrics"]["regex"]["definition"]["params"]["pattern"] == "${PATTERNV}"
    asked = {each.get("id", each["name"]): each for each in head["evaluator_config"]["metrics"]}
    assert asked["regex"]["params"]["pattern"] == "${PATTERNV}"
    assert asked["j0"]["backend"]["reach"]["url"] == f"{judge.url}/chat/completions"
    assert asked["j1"]["backend"]["reach"]["base_url"] == "http://judge.invalid/v1"
    assert json.loads(texts["repo/made/metadata.json"])["description"] == "${DESCRIBED}"
    own = {ANSWER.format(number) for number in range(40)}
    rows = enumerate(zip(samples["answers"], samples["expected"], strict=True))
    whole = [place for place, (text, true) in rows if text and "{" not in text and true in own]
    assert len(whole) == 20
    numbers = {samples["answers"][place] for place in whole}
    assert numbers == {ANSWER.format(number) for number in range(0, 40, 2)}
    assert {samples["scores"]["exact_match"][place] for place in whole} == {1.0}


FILLED = {
    "PHRASE": "keyword-of-a-metric-7741",
    "LABEL": "label-of-a-judge-7742",
    "RUBRIC": "rubric-of-a-judge-7743",
    "TOOL": "description-of-a-tool-7744",
    "LICENSE": "license-of-a-source-7745",
}


def filled_config(bot: str, judge: str) -> str:
    tool = {"name": "f", "description": "${TOOL}", "parameters": {"type": "object"}}
    rubric = {"rubric": "Is it ${RUBRIC}?", "labels": ["good", "${LABEL}"]}
    source = {"id": "all", "path": "all.jsonl", "as": "samples", "license": "${LICENSE}"}
    judged_by = {"name": "openai", "params": {"model": "j"}, "options": {"base_url": judge}}
    options = {"base_url": bot}
    return json.dumps(
        {
            "version": 1,
            "suite": "shop",
            "dataset": {"path": "made"},
            "generator": {"sources": [source]},
            "backend": {"name": "openai", "params": {"model": "m"}, "options": options},
            "tools": [{"type": "function", "function": tool}],
            "metrics": [
                "exact_match",
                {"name": "keyword_coverage", "params": {"keywords": ["${PHRASE}"]}},
                {"id": "j", "name": "llm_judge", "params": rubric, "backend": judged_by},
            ],
            "report": {"formats": ["json", "md", "html"]},
        }
    )


def test_commands__quote_the_config_as_it_is_written(tmp_path: Path) -> None:
    """What a variable fills in stands in no plan, no sample and no reason of a score."""
    row = {"id": "q0", "input": "질문", "expected": "답"}
    (tmp_path / "all.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    said = json.dumps({"reason": "fine", "evidence": [], "label": "good"})
    commands = (
        ["generate"],
        ["run", "--dry-run", "--json"],
        ["run"],
        ["evaluate", "--dry-run", "--json"],
        ["evaluate"],
        ["ci", "--dry-run"],
    )
    with ChatServer(lambda _: "답") as bot, ChatServer(lambda _: said) as judge:
        config = filled_config(bot.url, judge.url)
        (tmp_path / "lm-eval-so.yaml").write_text(config, encoding="utf-8")
        environ = {"OPENAI_API_KEY": KEY, **FILLED}
        done = [lm_eval_so(*command, cwd=tmp_path, environ=environ) for command in commands]
        sent = str([seen.body for seen in (*bot.requests, *judge.requests)])
    assert [each.returncode for each in done] == [0] * 6, [each.stderr for each in done]
    assert all(FILLED[name] in sent for name in ("LABEL", "RUBRIC", "TOOL"))
    texts = {name: text.decode("utf-8", "replace") for name, text in told(tmp_path, *done).items()}
    assert not [(n, v) for n, text in texts.items() for v in FILLED.values() if v in text]
    report = json.loads(texts["reports/report.json"])
    assert report["errors"][0]["reason"] == "keyword_coverage 0: not found: ${PHRASE}"
    assert "Is it ${RUBRIC}?" in texts["stdout 3"]
    sample = json.loads((tmp_path / "made/test.jsonl").read_text(encoding="utf-8"))
    assert sample["provenance"]["license"] == "${LICENSE}"
