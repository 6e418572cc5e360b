"""A first set-up on files, keys and chatbots as people have them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.shop_bot import Asked, ShopBot, Told

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import InputError, Problem
from lm_eval_so.pipeline.check import check
from lm_eval_so.pipeline.doctor import ask_once
from lm_eval_so.pipeline.set_up.config_text import Facts, config_text, workflow_text
from lm_eval_so.pipeline.set_up.metric_lines import choose_metrics
from lm_eval_so.pipeline.set_up.set_up import SetUp, Wish, screen, set_up

SOURCES = Path(__file__).parents[4] / "example/quickstart/sources"
ACTION = Path(__file__).parents[4] / "docs/action.md"
NOBODY = {"OLLAMA_HOST": "127.0.0.1:9"}
GREETING = "안녕하세요. 무엇을 도와주실 수 있나요?"
POLICY = "# 반품\n\n## 반품할 수 있는 기간\n\n반품은 7일 안에 신청합니다.\n"


def written(folder: Path, *, environ: dict[str, str] | None = None, **wish: Any) -> SetUp:
    resources = Resources(environ={**NOBODY, **(environ or {})})
    file = folder / "lm-eval-so.yaml"
    return asyncio.run(set_up(Wish(file=file, **wish), resources))


def problems(folder: Path, environ: dict[str, str] | None = None) -> list[Problem]:
    """Return what `doctor` finds in the written config."""
    config = load_config(folder / "lm-eval-so.yaml", environ=environ or {})
    return list(check(config, environ or {}, needs={"run", "evaluate", "generate"}))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/policy.md").write_text(POLICY, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("files", "paths", "sources", "writes"),
    [
        (("policy.md",), (), ["docs/"], True),
        (("policy.md",), ("docs/policy.md",), ["docs/policy.md"], True),
        (("policy.md", "faq.csv"), ("docs",), ["docs/"], True),
        (("faq.csv",), (), ["docs/"], False),
        ((), (), None, False),
    ],
)
def test_set_up__the_config_lacks_the_chatbot_and_nothing_else(
    folder: Path, files: tuple[str, ...], paths: tuple[str, ...], sources: Any, writes: bool
) -> None:
    if "policy.md" not in files:
        (folder / "docs/policy.md").unlink()
    if "faq.csv" in files:
        (folder / "docs/faq.csv").write_bytes((SOURCES / "faq.csv").read_bytes())
    for language in Language:
        made = written(folder, paths=paths, language=language, force=True)
        config = load_config(made.files[0])
        assert config.language is language
        assert sources == ([source.path for source in config.sources] or None)
        wanted = config.generator and config.generator.synthesise
        assert bool(wanted and wanted.questions) is writes
        found = [problem.what for problem in problems(folder)]
        made_later = [] if files else [f"no dataset at {folder / 'dataset/docs'}"]
        assert found == ['the key "backend" is missing', *made_later]
        steps = [line.strip().rpartition("lm-eval-so ")[2] for line in screen(made)[-3:]]
        wanted_steps = ["generate", "init --url URL", "ci"][0 if writes else 1 :]
        assert (steps[-len(wanted_steps) :] == wanted_steps) is bool(files)


@pytest.mark.parametrize(
    ("environ", "section"),
    [
        ({"OPENAI_API_KEY": "k"}, {"name": "openai", "params": {"model": "gpt-4.1-mini"}}),
        (
            {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com"},
            {
                "name": "azure",
                "params": {"model": "gpt-4.1-mini"},
                "options": {"deployment": "gpt-4.1-mini"},
            },
        ),
        ({"AZURE_OPENAI_API_KEY": "k"}, None),
        ({}, None),
    ],
)
def test_set_up__the_model_that_is_at_hand_writes(
    folder: Path, environ: dict[str, str], section: Any
) -> None:
    made = written(folder, environ=environ)
    config = load_config(made.files[0])
    assert config.generator is not None
    writer = config.generator.backend
    assert (writer and writer.model_dump(exclude_defaults=True)) == section
    assert [p.what for p in problems(folder, environ)] == ['the key "backend" is missing']
    assert any("--try 5" in line for line in screen(made)) is (section is not None)


def test_set_up__a_server_of_ollama_is_taken_with_its_first_model(folder: Path) -> None:
    with ShopBot(lambda _: Told({"data": [{"id": "qwen3:4b"}, {"id": "b"}]})) as ollama:
        made = written(folder, environ={"OLLAMA_HOST": ollama.url})
    assert [each.path for each in ollama.asked] == ["/v1/models"]
    assert made.writer is not None
    assert made.writer.model == "qwen3:4b"
    assert [p.what for p in problems(folder)] == ['the key "backend" is missing']


def test_set_up__a_model_that_names_a_variable_is_not_taken(folder: Path) -> None:
    models = [{"id": "${AWS_SECRET_ACCESS_KEY}"}, {"id": "qwen3:4b"}]
    with ShopBot(lambda _: Told({"data": models})) as server:
        made = written(folder, environ={"OLLAMA_HOST": server.url}, url=f"{server.url}/v1")
    assert made.writer is not None
    assert made.writer.model == "qwen3:4b"
    assert "AWS" not in (folder / "lm-eval-so.yaml").read_text("utf-8")


def fastapi(asked: Asked) -> Told:
    """Take a question and nothing else, as pydantic says it."""
    body = asked.json
    detail = [
        *({"type": "extra_forbidden", "loc": ["body", k]} for k in body if k != "question"),
        *([] if "question" in body else [{"type": "missing", "loc": ["body", "question"]}]),
    ]
    return Told({"detail": detail}, 422) if detail else Told({"reply": "7일입니다", "id": "a-1"})


def openai(asked: Asked) -> Told:
    if asked.path == "/v1/models":
        return Told({"data": [{"id": "shop-bot"}]})
    message = {"role": "assistant", "content": f"{asked.json['model']}: 7일입니다"}
    return Told({"choices": [{"message": message, "finish_reason": "stop"}]})


def events(
    piece: bytes, end: bytes, *, between: bytes = b"\n\n", grows: bool = False
) -> Callable[[Asked], Told]:
    """Stream an answer in three pieces, each alone or with all before it."""
    texts = ["7일", "7일입", "7일입니다"] if grows else ["7일", "입니", "다"]
    body = between.join([*(piece % text.encode() for text in texts), end, b""])
    kind = "text/event-stream" if between == b"\n\n" else "application/x-ndjson"
    return lambda _: Told(body, headers={"content-type": kind})


def repeats(asked: Asked) -> Told:
    """Send the conversation so far, the question included."""
    said = [("user", asked.json["message"]), ("assistant", "7일입니다")]
    return Told({"log": [{"role": role, "content": text} for role, text in said]})


@pytest.mark.parametrize(
    ("script", "path", "options", "asked"),
    [
        (lambda _: Told({"data": {"answer": "7일입니다"}}), "/chat", {"response": {"text": "data.answer"}}, 1),
        (lambda _: Told({"답변": "7일입니다"}), "/chat", {"response": {"text": '"답변"'}}, 1),
        (lambda _: Told("7일입니다".encode(), headers={"content-type": "text/plain"}), "/", {"response": {"format": "text"}}, 1),
        (fastapi, "/ask", {"body": {"question": "{{ last_user }}"}, "response": {"text": "reply"}}, 3),
        (events(b'data: {"choices": [{"delta": {"content": "%s"}}]}', b"data: [DONE]"), "/chat", {"stream": {"format": "sse", "delta": "choices[0].delta.content", "done": "[DONE]"}}, 1),
        (events(b'event: token\ndata: {"text": "%s"}', b'event: end\ndata: {"id": "a"}'), "/chat", {"stream": {"format": "sse", "event": "token", "delta": "text", "done": "end"}}, 1),
        (events(b'{"response": "%s", "done": false}', b'{"response": "", "done": true}', between=b"\n"), "/chat", {"stream": {"format": "ndjson", "delta": "response", "done": "done"}}, 1),
        (events(b'data: {"answer": "%s"}', b'data: {"finish_reason": "stop"}', grows=True), "/chat", {"stream": {"format": "sse", "delta": "answer", "cumulative": True}, "response": {"finish_reason": "finish_reason"}}, 1),
        (repeats, "/chat", {"response": {"text": "log[-1].content"}}, 1),
        (openai, "/v1", {"api_key_env": ""}, 2),
        (openai, "/v1/chat/completions", {"api_key_env": ""}, 2),
    ],
)  # fmt: skip
def test_set_up__a_chatbot_that_answers_needs_nothing_more(
    folder: Path, script: Any, path: str, options: dict[str, Any], asked: int
) -> None:
    with ShopBot(script) as bot:
        made = written(folder, url=f"{bot.url}{path}")
        config = load_config(made.files[0])
        assert len(bot.asked) == asked
        again = asyncio.run(ask_once(config, Resources(environ=NOBODY), "며칠?"))
    assert made.chatbot is not None
    assert config.backend is not None
    assert {name: config.backend.options[name] for name in options} == options
    for answer in (made.chatbot.answer, (again.answer or {}).get("text")):
        assert str(answer).endswith("7일입니다")
    assert not problems(folder)


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        (Told(b"<html><title>Sign in</title></html>"), "<html>"),
        (Told({"error": "no such tenant"}), "no such tenant"),
        (Told({"error": {"message": "token expired"}}, 401), "token expired"),
        (Told({"ok": True}), '{"ok": true}'),
        (
            Told(b'{"error": "\\ub2e4\\uc2dc \\ud800"}'),
            '{"error": "다시 \N{REPLACEMENT CHARACTER}"}',
        ),
        (Told(b""), "its response is empty"),
        (
            Told(b'data: {"answer": "7"}\n\n', headers={"content-type": "text/event-stream"}),
            "data:",
        ),
        (Told({"message": "tenant is required"}, 400), "tenant is required"),
    ],
)
def test_set_up__what_a_chatbot_said_instead_is_told(folder: Path, told: Told, seen: str) -> None:
    with ShopBot(lambda _: told) as bot:
        made = written(folder, url=f"{bot.url}/chat")
    assert made.chatbot is not None
    assert made.chatbot.answer is None
    assert len(bot.asked) == 1
    assert any(seen in line for line in screen(made))
    assert any("--header" in line for line in screen(made)) is (told.status == 401)
    assert load_config(made.files[0]).backend is None
    assert f'#     url: "{bot.url}/chat"' in made.files[0].read_text("utf-8")


def test_set_up__a_chatbot_that_cannot_be_reached_is_asked_again(folder: Path) -> None:
    lines = screen(written(folder, url="http://127.0.0.1:9/chat", language=Language.EN))
    assert "cannot reach http://127.0.0.1:9 (connection refused)" in lines[-2]
    assert lines[-1].split("then again: ")[1] == "lm-eval-so init --url URL"


def test_set_up__a_password_of_ollama_reaches_no_file(folder: Path) -> None:
    with ShopBot(lambda _: Told({"data": [{"id": "qwen3:4b"}]})) as server:
        host = server.url.replace("//", "//me:hidden-sesame@")
        made = written(folder, environ={"OLLAMA_HOST": host})
    assert "hidden-sesame" not in made.files[0].read_text("utf-8")
    assert not any("hidden-sesame" in line for line in screen(made))


def test_set_up__the_workflow_allows_the_hosts_that_the_config_asks(folder: Path) -> None:
    with ShopBot(lambda _: Told({"answer": "7일입니다"})) as bot:
        host = bot.url.removeprefix("http://")
        made = written(
            folder, url=f"{bot.url}/chat", workflow=True, environ={"OPENAI_API_KEY": "k"}
        )
    workflow = made.files[1].read_text(encoding="utf-8")
    assert f'        with: {{ allowed_hosts: "{host}, api.openai.com" }}\n' in workflow


def test_set_up__a_password_of_the_address_reaches_no_file(folder: Path) -> None:
    with ShopBot(lambda _: Told({"answer": "7일입니다"})) as bot:
        url = f"{bot.url}/chat?key=hidden-sesame"
        made = written(folder, url=url, workflow=True)
    texts = [file.read_text(encoding="utf-8") for file in made.files]
    assert not any("hidden-sesame" in text for text in (*texts, *screen(made)))
    assert '        env: { CHATBOT_URL: "${{ secrets.CHATBOT_URL }}" }\n' in texts[1]
    assert "allowed_hosts" not in texts[1]  # the variable holds it
    assert not problems(folder, {"CHATBOT_URL": url})


def test_set_up__a_password_of_an_openai_address_neither(folder: Path) -> None:
    with ShopBot(openai) as bot:
        url = f"{bot.url}/v1".replace("//", "//me:hidden-sesame@")
        made = written(folder, url=url, workflow=True)
    texts = [file.read_text(encoding="utf-8") for file in made.files]
    assert not any("hidden-sesame" in text for text in (*texts, *screen(made)))
    assert any("holds a user or a password" in line for line in screen(made))


@pytest.mark.parametrize(
    "name",
    ["deepeval-test-dataset/20261130_101500.json", "datasets/goldens.csv", "my_goldens.json"],
)
def test_set_up__goldens_are_found_where_deepeval_saves_them(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    text = '[{"input": "Which carrier?", "actual_output": null, "expected_output": "DHL", "context": null}]'
    if name.endswith("csv"):
        text = "input,actual_output,expected_output\nWhich carrier?,,DHL\n"
    file.write_text(text, encoding="utf-8")
    made = written(tmp_path)
    assert [source.path for source in load_config(made.files[0]).sources] == [name]
    assert made.scan.samples == 1


def test_set_up__an_empty_folder_is_told_what_to_do(tmp_path: Path) -> None:
    lines = screen(written(tmp_path, language=Language.EN))
    assert lines[0].startswith("Nothing can be read in: docs/, documents/, ")
    assert lines[-1].startswith("Next      put documents (PDF, ")


@pytest.mark.parametrize("paths", [(), ("docs",), ("faq.csv",)])
def test_set_up__a_path_that_the_config_does_not_read_is_told(
    tmp_path: Path, paths: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    written(tmp_path)
    (tmp_path / "docs/policy.md").write_text(POLICY, encoding="utf-8")
    (tmp_path / "faq.csv").write_text("question,answer\n반품?,7일\n", encoding="utf-8")
    with ShopBot(lambda _: Told({"answer": "7일입니다"})) as bot:
        lines = screen(written(tmp_path, url=bot.url, paths=paths, language=Language.EN))
    named = "docs/" if paths == ("docs",) else "faq.csv"
    told = [
        f"Next      lm-eval-so init {named} --url URL --force"
        if paths
        else "Next      lm-eval-so ci"
    ]
    assert [line for line in lines if line.startswith("Next")] == told
    assert any(line.startswith(f"Not read  {named}: ") for line in lines) is bool(paths)


def test_set_up__nothing_is_overwritten_or_asked_unless_forced(folder: Path) -> None:
    (folder / ".gitignore").write_text("*.log\nruns/", encoding="utf-8")
    with ShopBot(lambda _: Told({"answer": "7일입니다"})) as bot:
        written(folder, workflow=True, url=bot.url)
        assert (folder / ".gitignore").read_text() == "*.log\nruns/\nreports/\n.lm-eval-so/cache*\n"
        with pytest.raises(InputError) as error:
            written(folder, workflow=True, url=bot.url, paths=("nowhere",))
        assert len(bot.asked) == 1
        assert [problem.what for problem in error.value.problems] == [
            "the chatbot is there already",
            "it is there already",
            "no file or folder at nowhere",
        ]
        before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        with pytest.raises(InputError, match="it is there already"):
            written(folder)
        written(folder, workflow=True, url=bot.url, force=True)
    assert before == {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_set_up__what_is_missing_is_added_to_what_people_edited(folder: Path) -> None:
    with ShopBot(lambda _: Told({"error": "who are you"}, 401)) as bot:
        written(folder, url=f"{bot.url}/chat")
    file = folder / "lm-eval-so.yaml"
    edited = file.read_text("utf-8").replace("twins: 10", "twins: 3")
    file.write_text(edited, encoding="utf-8")
    key = {"BOT_TOKEN": "hidden-sesame-2931"}
    wish: dict[str, Any] = {"headers": ("Authorization: Bearer ${BOT_TOKEN}", "X-Shop: a: b")}
    wish["body"] = '{"q": "{{ last_user }}"}'
    with ShopBot(lambda asked: Told({"a": asked.headers["authorization"][:6]})) as bot:
        made = written(folder, url=f"{bot.url}/chat", workflow=True, environ=key, **wish)
    assert (bot.asked[0].json["q"], bot.asked[0].headers["x-shop"]) == (GREETING, "a: b")
    now = file.read_text("utf-8")
    common = {*edited.splitlines()} - {*now.splitlines()}
    assert common
    assert all(line.startswith("# ") for line in common)
    assert now.count("backend:\n") == 1
    assert "hidden-sesame" not in now + made.files[1].read_text("utf-8")
    assert 'env: { BOT_TOKEN: "${{ secrets.BOT_TOKEN }}" }' in made.files[1].read_text("utf-8")
    assert not problems(folder, key)
    file.write_text("version: 1\nsuite: own\n", encoding="utf-8")
    with ShopBot(lambda _: Told({"answer": "7일입니다"})) as bot:
        written(folder, url=f"{bot.url}/chat")
    assert file.read_text("utf-8").startswith("version: 1\nsuite: own\n\n")
    assert "\nbackend:\n" in file.read_text("utf-8")


@pytest.mark.parametrize(
    ("wish", "what"),
    [
        ({"headers": ("Authorization: Bearer hidden-sesame",)}, "the value of Authorization would stand in a file"),
        ({"headers": ("X-Shop: key-of-the-shop-29",)}, "the value of X-Shop would stand in a file"),
        ({"headers": ("Authorization: Bearer ${NONE}",)}, "NONE is not set"),
        ({"headers": ("Authorization",)}, "--header is no header"),
        ({"body": "q={{ last_user }}"}, "--body is no JSON with a place for the question"),
        ({"body": '{"q": "hi"}'}, "--body is no JSON with a place for the question"),
        ({"body": '{"q": "{{ last_user }}", "k": "key-of-the-shop-29"}'}, "a secret in --body would stand in a file"),
        ({"url": None, "body": "{}"}, "--header and --body need an address"),
    ],
)  # fmt: skip
def test_set_up__no_secret_is_written_and_nothing_asked_for_it(
    folder: Path, wish: dict[str, Any], what: str
) -> None:
    environ = {"SHOP_KEY": "key-of-the-shop-29"}
    resources = Resources(environ={**NOBODY, **environ}, redactor=make_redactor(environ))
    file = folder / "lm-eval-so.yaml"
    with ShopBot() as bot, pytest.raises(InputError) as error:
        asyncio.run(set_up(Wish(**{"file": file, "url": bot.url, **wish}), resources))
    assert [problem.what for problem in error.value.problems] == [what]
    assert not bot.asked
    assert "sesame" not in str(error.value.problems)
    assert not file.exists()


PHRASES = "question,answer,must say\n7일인가요?,반품은 7일 안에 됩니다.,7일\n"
GOLDENS = "question,answer\n반품은 며칠 안에 되나요?,반품은 받은 날부터 7일 안에 신청합니다.\n영업 시간은?,9시\n"
NAMES = "question,answer\nWhich carrier?,DHL\nWhat colour?,blue\n"
CHOICES = "question,expected\nWhere?,Seoul\n"


@pytest.mark.parametrize(
    ("files", "key", "metrics", "held", "unjudged"),
    [
        ({"a.csv": PHRASES}, False, ["keyword_coverage", "behavior", "invariance"], ["llm_judge"], 0),
        ({"a.csv": GOLDENS}, False, ["char_f1", "behavior"], ["llm_judge"], 2),
        ({"a.csv": GOLDENS}, True, ["llm_judge", "behavior"], [], 0),
        ({"a.csv": GOLDENS, "b.csv": PHRASES}, True, ["keyword_coverage", "behavior", "invariance"], ["llm_judge"], 2),
        ({"a.csv": NAMES}, False, ["contains", "behavior", "invariance"], [], 0),
        ({"a.csv": "question\nWhere are you?\n"}, False, ["behavior"], [], 0),
        ({"a.md": POLICY}, False, ["keyword_coverage", "behavior", "invariance"], ["llm_judge"], 0),
        ({"a.jsonl": '{"input": "2+2?", "target": "B", "choices": ["3", "4"]}\n'}, False, ["choice", "behavior"], [], 0),
        ({"a.json": '[{"input": "a?", "expected_output": "This is what a golden expects."}]'}, True, ["llm_judge", "behavior"], [], 0),
    ],
)  # fmt: skip
def test_set_up__metrics_measure_what_the_tests_hold(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    key: bool,
    metrics: list[str],
    held: list[str],
    unjudged: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").mkdir()
    for name, text in files.items():
        (tmp_path / "tests" / name).write_text(text, encoding="utf-8")
    environ = {"OPENAI_API_KEY": "k"} if key else {}
    made = written(tmp_path, paths=("tests",), environ=environ)
    config = load_config(made.files[0])
    assert [metric.name for metric in config.metrics] == metrics
    text = made.files[0].read_text("utf-8")
    assert [name for name in ("llm_judge", "contains") if f"  # - {{name: {name}" in text] == held
    assert made.unjudged == unjudged
    assert any("must say" in line or "필수 표현" in line for line in screen(made)) is bool(unjudged)


@pytest.mark.parametrize(("tests", "repeats"), [(60, 3), (61, None)])
def test_config__a_baseline_is_asked_three_times_up_to_a_hundred_cases(
    tmp_path: Path, tests: int, repeats: int | None
) -> None:
    for language in Language:
        facts = Facts(
            suite="docs",
            language=language,
            sources=["docs/", "more/docs/", "a: b.md", "no"],
            has_files=True,
            has_documents=True,
            tests=tests,
            chatbot=None,
            metrics=choose_metrics({}, writes=True, judge=None, language=language),
            writer=None,
        )
        file = tmp_path / "lm-eval-so.yaml"
        file.write_text(config_text(facts), encoding="utf-8")
        config = load_config(file)
        assert config.baseline.repeats == repeats
        assert [source.path for source in config.sources] == facts.sources
        assert [source.id for source in config.sources] == ["docs", "docs-2", "a-b", "no"]


def test_workflow__is_that_of_the_docs() -> None:
    docs = ACTION.read_text(encoding="utf-8")
    assert workflow_text(["OPENAI_API_KEY"], hosts=["api.openai.com"]) in docs
    other = workflow_text([], config="ci/bot.yaml")
    assert "secrets" not in other
    assert "        with: { config: ci/bot.yaml }\n" in other
