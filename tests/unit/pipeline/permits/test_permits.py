"""What a workflow permits the config of a pull request: hosts that may be asked, code that may run."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from servers.commands import git
from servers.runs import write_dataset

from lm_eval_so.action.event import Activity, Base, BaseRule
from lm_eval_so.action.inputs import read_inputs
from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.backends.local.server import LlamaServer
from lm_eval_so.core.backends.own_code.child import start_child
from lm_eval_so.core.backends.own_code.function import Wanted, find_target
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.http.hosts import AllowedHosts
from lm_eval_so.core.registry import load_plugins, without_own_code
from lm_eval_so.errors import ConfigError
from lm_eval_so.evaluator.metrics.base import metrics
from lm_eval_so.evaluator.metrics.python_function import PythonFunction
from lm_eval_so.pipeline.github.surroundings import Surroundings
from lm_eval_so.pipeline.permits.permits import (
    code_problems,
    host_problems,
    own_code_as_permitted,
    tell_permits,
)
from lm_eval_so.testing import ChatServer

KEY = "sk-test-1234567890abcdef"
TOKEN = "ghs_token_of_the_workflow"
LOCAL = "http://127.0.0.1:9/v1"
Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    write_dataset(tmp_path, 2)

    def made(environ: Mapping[str, str] = {}, **sections: Any) -> Config:
        values = {"version": 1, "suite": "shop", "dataset": {"path": "."}, **sections}
        lines = (f'"{key}": {json.dumps(value)}' for key, value in values.items())
        (tmp_path / "c.yaml").write_text("{" + ",\n".join(lines) + "}", encoding="utf-8")
        return load_config(tmp_path / "c.yaml", environ=environ)

    return made


def around(
    folder: Path,
    activity: Activity | None = None,
    *,
    environ: Mapping[str, str] = {},
    **inputs: str,
) -> Surroundings:
    given = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
    return Surroundings(
        environ={**environ, **given},
        activity=activity or Activity(event="push", base=Base(rule=BaseRule.HEAD)),
        inputs=read_inputs({**environ, **given}, workspace=folder),
        workspace=folder,
    )


def openai(**options: Any) -> dict[str, Any]:
    return {"name": "openai", "params": {"model": "m"}, "options": options}


def judged(number: int, **more: Any) -> dict[str, Any]:
    params = {"rubric": "good?", "labels": ["good", "bad"]}
    return {"id": f"j{number}", "name": "llm_judge", "params": params, **more}


EVERYWHERE = {
    "backend": openai(base_url="${BOT}", proxy_env="PROXY", headers={"Host": "h.example"}),
    "run": {"simulator": {"backend": openai(preset="groq")}},
    "metrics": [
        judged(0, backend=openai(base_url="https://api.openai.com@j0.example/v1", api_key_env="")),
        judged(1, panel=[openai(base_url=f"https://p{n}.example/v1") for n in range(2)]),
        {"name": "embedding_similarity", "backend": openai(base_url="https://e.example/v1", api="embeddings")},
        judged(2, backend={"name": "azure", "options": {"deployment": "d"}}),
        judged(3, backend={"name": "http", "options": {"url": "https://x.example/{{ sample.id }}"}}),
        judged(4, backend=openai(base_url="https://api.openai.com\\@bad.example/v1")),
    ],
    "generator": {
        "backend": openai(base_url="https://g.example/v1"),
        "check_backend": openai(base_url="https://c.example/v1"),
        "sources": [{"id": "a", "path": "a.csv", "as": "samples"}],
    },
    "gate": {"control_url": "https://main.example"},
}  # fmt: skip
ENVIRON = {
    "BOT": "https://b.example/v1",
    "PROXY": "proxy.example:3128",
    "AZURE_OPENAI_ENDPOINT": "https://z.example",
}
NAMED = [
    *("b.example", "proxy.example:3128", "h.example", "api.groq.com", "j0.example"),
    *("p0.example", "p1.example", "e.example", "z.example", "x.example", None),
    *("g.example", "c.example", "main.example"),
]


def test_host_problems__all_are_told_at_once_wherever_they_are_named(load: Load) -> None:
    config = load(ENVIRON, **EVERYWHERE)
    here = around(config.folder, environ=ENVIRON, allowed_hosts="api.openai.com")
    found = list(host_problems(config, here))
    wanted = [
        f"{name} is not among the allowed hosts"
        if name
        else "nobody can tell for sure which host this address leads to"
        for name in NAMED
    ]
    assert [problem.what for problem in found] == wanted
    lines = [problem.where.line for problem in found if problem.where]
    assert lines == [4] * 3 + [5] + [6] * 7 + [7] * 2 + [8]
    everything = ", ".join(name for name in NAMED if name)
    permitted = around(config.folder, environ=ENVIRON, allowed_hosts=everything)
    assert [each.what for each in host_problems(config, permitted)] == [wanted[10]]
    assert not [*tell_permits(config, permitted)]
    (told,) = tell_permits(config, around(config.folder, environ=ENVIRON))
    assert "b.example, c.example, e.example" in str(told)


@pytest.mark.parametrize(
    ("backend", "is_refused"),
    [
        (openai(base_url="http://bot.example.com/v1"), True),
        (openai(base_url="http://bot.example.com/v1", api_key_env=""), False),
        (openai(base_url="http://bot:8080/v1"), False),
        (openai(base_url="http://169.254.169.254/v1"), True),
        (openai(base_url="http://b.example", api_key_env="", headers_env={"x-key": "BOT"}), True),
        (openai(base_url="http://b.example", api_key_env="", headers={"Authorization": "x"}), True),
        (openai(base_url="http://b.example", api_key_env="", headers={"x-a": "${A_KEY}"}), True),
        ({"name": "http", "options": {"url": "http://user:pw@b.example/chat"}}, True),
        ({"name": "http", "options": {"url": "http://b.example/chat"}}, False),
        (openai(base_url="https://b.example", proxy_env="PROXY"), False),
        (openai(base_url="http://bot:8080/v1", proxy_env="PROXY"), True),
        (openai(base_url="https://b.example", proxy_env="OWN_PROXY"), True),
        ({"name": "http", "options": {"url": "http://b.example/chat", "env": ["BOT"]}}, True),
    ],
)
def test_host_problems__keys_go_unencrypted_to_private_names_alone(
    load: Load, backend: Mapping[str, Any], is_refused: bool
) -> None:
    environ = {
        "BOT": "x",
        "A_KEY": "y",
        "PROXY": "http://p.example",
        "OWN_PROXY": "http://u:pw@p.example",
    }
    config = load(environ, backend=backend)
    here = around(config.folder, environ=environ)
    found = [each.what for each in host_problems(config, here)]
    assert len(found) == is_refused
    assert not found or found[0].endswith("unencrypted")


def test_host_problems__a_system_prompt_may_carry_a_key(load: Load) -> None:
    backend = openai(base_url="http://b.example", api_key_env="")
    for system, is_refused in (("be kind", False), ("${A_KEY}", True), ("${TONE}", False)):
        config = load({"A_KEY": "y", "TONE": "kind"}, system=system, backend=backend)
        assert bool([*host_problems(config, around(config.folder))]) is is_refused


def test_open_asker__is_the_last_look_at_a_host(load: Load) -> None:
    async def opened(hosts: AllowedHosts | None) -> None:
        resources = Resources(environ={"OPENAI_API_KEY": KEY}, hosts=hosts)
        assert config.backend is not None
        async with open_asker(config.backend, config=config, resources=resources):
            pass

    with ChatServer() as bot:
        config = load(backend=openai(base_url=bot.url), run={"cache": False})
        asyncio.run(opened(None))
        asyncio.run(opened(AllowedHosts(("127.0.0.1",))))
        with pytest.raises(ConfigError, match="not among the allowed hosts"):
            asyncio.run(opened(AllowedHosts(("api.openai.com",))))
        assert not bot.requests


OWN = {
    "plugins": ["mine.py"],
    "backend": {"name": "python", "options": {"target": "bot.py:answer"}},
    "run": {
        "simulator": {
            "backend": {"name": "command", "options": {"argv": ["node", "u.js"], "env": []}}
        }
    },
    "metrics": [
        "exact_match",
        "json:JSONDecoder",
        judged(0, backend={"name": "os:Judge"}),
        judged(1, backend={"name": "local", "options": {"server": "./llama", "model_path": "m"}}),
        judged(2, backend={"name": "local", "options": {"base_url": LOCAL}}),
        {"name": "turns", "params": {"metric": {"name": "shutil:Metric"}}},
        {"name": "json_match", "params": {"fields": {"a": {"metric": "ast:Metric"}}}},
        {"name": "python", "params": {"target": "checks.py:short"}},
        {
            "id": "all",
            "name": "turns",
            "params": {"metric": {"name": "python", "params": {"target": "b.py:c"}}},
        },
    ],
}
FOUND = [
    *("mine.py", "python bot.py:answer", "command node u.js", "os:Judge", "local ./llama"),
    *("json:JSONDecoder", "shutil:Metric", "ast:Metric"),
    *("python checks.py:short", "python b.py:c"),
]


def test_code_problems__own_code_is_refused_by_default(load: Load) -> None:
    config = load(**OWN)
    here = around(config.folder)
    told = [each.what for each in code_problems(config, here, [Path("typed.py")])]
    assert told == [
        f"{what} is code of your own, which may not run" for what in [*FOUND, "typed.py"]
    ]
    permitted = around(config.folder, allow_plugins="true")
    assert not [*code_problems(config, permitted)]
    assert "code of the config runs: ast:Metric, command node u.js" in str(
        [*tell_permits(config, permitted)]
    )
    at_a_desk = Surroundings(
        environ={}, activity=here.activity, inputs=None, workspace=config.folder
    )
    assert not [*code_problems(config, at_a_desk)]


async def _start_server() -> None:
    await LlamaServer.start([sys.executable, "-c", ""], environ={}, cwd=".")


WANTED = Wanted(key="options.target", first="messages", form="(messages)")
WAYS: Mapping[str, Callable[[Path], object]] = {
    "plugin": lambda file: load_plugins([file]),
    "backend": lambda _: backends.resolve("antigravity:Bot"),
    "metric, as a dataset may name it": lambda _: metrics.resolve("antigravity:Metric"),
    "function": lambda file: find_target(f"{file}:answer", file.parent, WANTED),
    "function of a module": lambda file: find_target("antigravity:geohash", file.parent, WANTED),
    "metric of a function": lambda file: PythonFunction(params={"target": f"{file}:check"}),
    "program": lambda file: asyncio.run(start_child([sys.executable], cwd=file.parent, environ={})),
    "server": lambda _: asyncio.run(_start_server()),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_without_own_code__nothing_runs_whatever_names_it(
    tmp_path: Path, way: Callable[[Path], object]
) -> None:
    file = tmp_path / "evil.py"
    file.write_text("raise SystemExit('it ran')", encoding="utf-8")
    with without_own_code("ask first"), pytest.raises(ConfigError, match="may not run") as refused:
        way(file)
    assert refused.value.problems[0].hint == "ask first"
    assert "antigravity" not in sys.modules


def test_own_code_as_permitted__is_the_workflows_word(tmp_path: Path) -> None:
    for allowed, is_refused in (("true", False), ("false", True)):
        with own_code_as_permitted(around(tmp_path, allow_plugins=allowed)):
            problem = find_target("json:loads", tmp_path, WANTED) if not is_refused else None
            assert is_refused or problem
            if is_refused:
                with pytest.raises(ConfigError, match="may not run"):
                    find_target("json:loads", tmp_path, WANTED)


SECRETS = {"OPENAI_API_KEY": KEY}
NONE: dict[str, str] = {"OPENAI_API_KEY": "", "KEYBOARD": "us", "MAX_TOKENS": "100000000"}


@pytest.fixture
def commits(tmp_path: Path) -> dict[str, str]:
    """A repository with main and the head of a fork, checked out in turn."""
    git("init", "-q", cwd=tmp_path)
    found = {}
    for name in ("old", "main", "fork"):
        git("commit", "-qm", name, "--allow-empty", cwd=tmp_path)
        found[name] = git("rev-parse", "HEAD", cwd=tmp_path)
    return found


@pytest.mark.parametrize(
    ("event", "checkout", "environ", "is_refused"),
    [
        ("fork", "fork", SECRETS, True),
        ("fork", "fork", NONE, False),  # GitHub's own token can change nothing there
        ("fork", "fork", {"BOT_PASSWORD": "correct-horse"}, True),
        ("dependabot", "fork", SECRETS, False),
        ("repository", "fork", SECRETS, False),
        ("dispatch", "main", SECRETS, False),
        ("dispatch", "old", SECRETS, False),
        ("dispatch", "fork", SECRETS, True),  # as refs/pull/7/head
        ("dispatch", "fork", NONE, True),  # the token of a dispatch can write
    ],
)
def test_code_problems__a_forks_code_never_runs_beside_a_key(
    load: Load, commits: Mapping[str, str], event: str, checkout: str,
    environ: Mapping[str, str], is_refused: bool,
) -> None:  # fmt: skip
    config = load(backend=openai(base_url=LOCAL))
    git("checkout", "-q", "--detach", commits[checkout], cwd=config.folder)
    is_dispatch = event == "dispatch"
    activity = Activity(
        event="workflow_dispatch" if is_dispatch else "pull_request",
        base=Base(rule=BaseRule.HEAD),
        commit=commits["main"],
        takes_pull_number=is_dispatch,
        is_proposal=not is_dispatch,
        code_of="repository" if is_dispatch else event,
    )
    given = {**environ, "INPUT_GITHUB_TOKEN": TOKEN, "ACTIONS_RUNTIME_TOKEN": TOKEN}
    permitted = around(config.folder, activity, environ=given, allow_plugins="true")
    found = [each.what for each in code_problems(config, permitted)]
    assert len(found) == is_refused
    assert not found or "would let a fork's code read" in found[0]
    # nor does its config choose where keys go
    hosts = [each.what for each in host_problems(config, permitted)]
    assert len(hosts) == is_refused
    named = around(config.folder, activity, environ=given, allowed_hosts="127.0.0.1")
    assert not [*host_problems(config, named)]
