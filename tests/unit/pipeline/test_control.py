"""Whether main's configuration can be asked, and that no pull request decides what it is."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from factories import make_report
from servers.commands import git

from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.git import files_of
from lm_eval_so.core.http.hosts import AllowedHosts
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.registry import load_plugins
from lm_eval_so.errors import ConfigError
from lm_eval_so.pipeline.control import (
    ControlSource,
    Decided,
    control_hint,
    control_problems,
    decide,
)

KEY = "sk-test-1234567890abcdef"
REPORT = make_report({"exact_match": [1, 1]})
MAIN = {
    "version": 1,
    "suite": "shop",
    "dataset": {"path": "data"},
    "backend": {"name": "openai", "params": {"model": "m"}},
    "system": "be kind",
    "metrics": ["exact_match"],
    "baseline": {"path": "base.json"},
}
OWN = {**MAIN, "backend": {**MAIN["backend"], "options": {"base_url": "${BOT_URL}"}}}
EVIL = "http://evil.example/v1"


@dataclass
class Repo:
    """A repository with main's config, and a pull request over it."""

    folder: Path
    environ: Mapping[str, str] = field(
        default_factory=lambda: {"OPENAI_API_KEY": KEY, "BOT_URL": "http://127.0.0.1:1/v1"}
    )
    base: str = ""
    name: str = "lm-eval-so.yaml"

    @property
    def file(self) -> Path:
        return self.folder / self.name

    def write(self, config: Mapping[str, object], **files: str) -> None:
        named = {
            name.replace("__", "/").replace("_py", ".py"): text for name, text in files.items()
        }
        named["data/test.jsonl"] = named.get("data/test.jsonl") or json.dumps(
            {"id": "a", "input": "?"}
        )
        for name, text in {self.name: json.dumps(dict(config)), **named}.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")

    def commit(self) -> str:
        git("add", "-A", cwd=self.folder)
        git("commit", "-qm", "a change", "--allow-empty", cwd=self.folder)
        return git("rev-parse", "HEAD", cwd=self.folder)

    def merge(self, config: Mapping[str, object], **files: str) -> None:
        self.write(config, **files)
        self.base = self.commit()

    def propose(self, config: Mapping[str, object], **files: str) -> None:
        self.write(config, **files)
        self.commit()

    def decide(self, **more: object) -> Decided | None:
        config = load_config(self.file, environ=self.environ)
        source = ControlSource(file=self.file, environ=self.environ, base=files_of(self.base))
        return decide(config, replace(source, **more), REPORT, REPORT)

    def state(self, **more: object) -> str | None:
        """Return the state, or of what is not possible the reason."""
        decided = self.decide(**more)
        if decided is None:
            return None
        control = decided.control
        assert (decided.config is not None) == (control.state == "asked")
        return control.why.code if control.why else control.state


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    git("init", "-q", cwd=tmp_path)
    return Repo(tmp_path)


def over(config: Mapping[str, object], **changes: object) -> dict[str, object]:
    return {**config, **changes}


def at(config: Mapping[str, object], **options: object) -> dict[str, object]:
    """Return a config whose chatbot has more options."""
    backend = config["backend"]
    assert isinstance(backend, dict)
    return over(config, backend={**backend, "options": {**backend.get("options", {}), **options}})


@pytest.mark.parametrize(
    "proposed",
    [
        over(MAIN, system="be brief"),
        over(MAIN, tools=[{"type": "function", "function": {"name": "f"}}]),
        over(MAIN, backend={"name": "openai", "params": {"model": "m", "temperature": 1}}),
        at(MAIN, headers={"x-route": "cheap"}),  # no part of a fingerprint, but sent
        at(MAIN, proxy_env="PROXY"),
        at(MAIN, base_url=EVIL),
        over(MAIN, run={"timeout_s": 1}),
        over(MAIN, run={"max_tool_rounds": 1}),
        over(MAIN, run={"seed": 8}),
        over(MAIN, metrics=["token_f1"]),  # judged in another way
    ],
    ids=range(10),
)
def test_decide__main_is_asked_whatever_of_the_chatbot_was_changed(repo: Repo, proposed) -> None:
    repo.merge(MAIN)
    repo.propose(proposed)
    decided = repo.decide(rewritten=[])
    assert decided is not None
    assert decided.control.state == "asked"
    main = decided.config
    assert main is not None
    assert (main.system, main.tools, main.backend.options) == ("be kind", [], {})
    assert (main.run.timeout_s, main.run.max_tool_rounds, main.run.seed) == (60, 5, 7)
    # dataset and metrics are those that judge the pull request
    assert main.metrics == load_config(repo.file, environ=repo.environ).metrics


@pytest.mark.parametrize(
    "proposed",
    [
        MAIN,
        over(MAIN, gate={"alpha": 0.1}),
        over(MAIN, report={"examples": 3}),
        over(MAIN, run={"repeats": 3, "concurrency": 2, "max_requests": 5, "out": "elsewhere"}),
        over(MAIN, metrics=["exact_match", "token_f1"]),
    ],
)
def test_decide__nothing_differs_where_the_same_is_sent(repo: Repo, proposed) -> None:
    repo.merge(MAIN)
    repo.propose(proposed, readme_md="a document")
    assert repo.state() == "nothing_differs"


def test_decide__the_limits_of_the_run_are_those_of_the_pull_request(repo: Repo) -> None:
    repo.merge(over(MAIN, run={"max_requests": 1000, "executor": "batch"}))
    repo.propose(over(MAIN, system="x", run={"max_requests": 5, "concurrency": 2}))
    main = repo.decide().config
    assert (main.run.max_requests, main.run.concurrency, main.run.executor) == (5, 2, "live")


@pytest.mark.parametrize(
    ("config", "environ", "state"),
    [
        (OWN, {}, "own_address"),
        (MAIN, {"OPENAI_BASE_URL": "http://bot:8000/v1"}, "own_address"),
        (MAIN, {"OPENAI_BASE_URL": "https://api.openai.com/v1/"}, "nothing_differs"),
        (at(MAIN, preset="mistral"), {"MISTRAL_API_KEY": KEY}, "nothing_differs"),
        (at(MAIN, preset="ollama"), {}, "own_address"),
        (at(MAIN, preset="mistral", base_url=EVIL), {"MISTRAL_API_KEY": KEY}, "own_address"),
        (
            over(MAIN, backend={"name": "command", "options": {"argv": ["cat"]}}),
            {},
            "own_address",
        ),
    ],
)
def test_decide__own_addresses_are_never_asked(repo: Repo, config, environ, state) -> None:
    repo.environ = {**repo.environ, **environ}
    repo.merge(config)
    repo.propose(config)
    assert repo.state() == state


@pytest.mark.parametrize(
    ("endpoint", "state"),
    [
        ("https://shop.openai.azure.com", "nothing_differs"),
        ("https://shop.openai.azure.com.evil.example", "own_address"),
        ("http://shop.openai.azure.com", "own_address"),
        ("https://gateway.example", "own_address"),
        ("no address", "own_address"),
    ],
)
def test_decide__azure_is_hosted_at_its_own_hosts(repo: Repo, endpoint: str, state: str) -> None:
    backend = {"name": "azure", "options": {"deployment": "d", "endpoint": endpoint}}
    repo.environ = {**repo.environ, "AZURE_OPENAI_API_KEY": KEY}
    repo.merge(over(MAIN, backend=backend))
    repo.propose(over(MAIN, backend=backend))
    assert repo.state() == state


def test_decide__an_address_of_the_workflow_is_an_own_one(repo: Repo) -> None:
    repo.merge(MAIN)
    repo.propose(over(MAIN, system="be brief"))
    put = [f"backend.options.base_url={EVIL}"]
    assert repo.state(rewritten=put) == "own_address"
    assert repo.state(overrides=put) == "own_address"


def test_decide__the_control_url_is_that_of_main(repo: Repo) -> None:
    repo.merge(over(OWN, gate={"control_url": "https://staging.example"}))
    repo.propose(over(OWN, system="x", gate={"control_url": EVIL, "control": "off"}))
    main = repo.decide().config
    assert main.backend.options["base_url"] == "https://staging.example/v1"
    assert main.system == "be kind"


def test_decide__a_host_of_main_that_the_workflow_does_not_allow_is_not_asked(repo: Repo) -> None:
    repo.merge(over(OWN, gate={"control_url": "https://staging.example"}))
    repo.propose(over(OWN, system="x"))
    assert repo.state(hosts=AllowedHosts(("staging.example",))) == "asked"
    why = repo.decide(hosts=AllowedHosts(("api.openai.com",))).control.why
    assert why.code == "failed"
    assert "staging.example is not among the allowed hosts" in why.figures["problem"]


def test_decide__a_pull_request_brings_no_control_url(repo: Repo) -> None:
    repo.merge(OWN)
    repo.propose(over(OWN, system="x", gate={"control_url": EVIL}))
    assert repo.state() == "own_address"


def test_decide__without_an_address_there_is_nothing_to_replace(repo: Repo) -> None:
    config = over(
        MAIN,
        backend={"name": "command", "options": {"argv": ["cat"]}},
        gate={"control_url": EVIL},
    )
    repo.merge(config)
    repo.propose(config)
    assert repo.state() == "no_address"


def test_decide__main_alone_switches_it_off(repo: Repo) -> None:
    repo.merge(MAIN)
    repo.propose(over(MAIN, system="x", gate={"control": "off"}))
    assert repo.state() == "asked"
    repo.merge(over(MAIN, gate={"control": "off"}))
    repo.propose(over(MAIN, system="x"))
    assert repo.state() is None


def test_decide__where_main_cannot_be_asked_nobody_has_to_be_told(repo: Repo) -> None:
    repo.merge(OWN)
    repo.propose(over(OWN, gate={"control": "off"}))
    assert repo.state() is None
    assert repo.state(base=None) is None


PLUGIN = """\
from lm_eval_so.evaluator.metrics.base import Metric

class Polite%s(Metric):
    def score(self, sample, run):
        return self.make_score(sample, value=1.0)
"""
WITH_PLUGIN = over(MAIN, plugins=["metrics.py"], metrics=["exact_match"])


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "asked"),
        ({"data/test.jsonl": '{"id": "b", "input": "?"}'}, "asked"),
        ({"base.json": "{}"}, "asked"),
        ({"metrics.py": PLUGIN % "B"}, "own_code"),
        ({"words.txt": "what the plugin reads"}, "own_code"),
    ],
)
def test_decide__code_of_two_commits_is_not_mixed(repo: Repo, changes, state) -> None:
    repo.merge(WITH_PLUGIN, metrics_py=PLUGIN % "A")
    for name, text in changes.items():
        (repo.folder / name).write_text(text, encoding="utf-8")
    repo.commit()
    (repo.file).write_text(json.dumps({**WITH_PLUGIN, "system": "x"}), encoding="utf-8")
    repo.commit()
    assert repo.state() == state


@pytest.mark.parametrize(
    "config",
    [
        over(MAIN, metrics=["exact_match", "some.module:Metric"]),
        over(MAIN, backend={"name": "python", "options": {"target": "bot.py:answer"}}),
        over(
            MAIN,
            metrics=[
                {
                    "name": "llm_judge",
                    "backend": {"name": "command", "options": {"argv": ["cat"]}},
                    "params": {"labels": ["a", "b"]},
                }
            ],
        ),
    ],
    ids=["metric", "chatbot", "judge"],
)
def test_decide__own_code_of_any_kind_bars_it(repo: Repo, config) -> None:
    repo.merge(MAIN, bot_py="")
    repo.propose(config, bot_py="def answer(text): return text")
    assert repo.state() == "own_code"


def test_decide__plugins_of_the_command_line_count(repo: Repo) -> None:
    repo.merge(MAIN, metrics_py=PLUGIN % "A")
    repo.propose(MAIN, metrics_py=PLUGIN % "B")
    assert repo.state() == "nothing_differs"
    assert repo.state(plugins=[repo.folder / "metrics.py"]) == "own_code"


def test_decide__a_dataset_cannot_hide_code(repo: Repo) -> None:
    repo.merge(WITH_PLUGIN, metrics_py=PLUGIN % "A")
    for path in (".", "metrics.py"):
        repo.propose({**WITH_PLUGIN, "dataset": {"path": path}}, metrics_py=PLUGIN % "B")
        assert repo.state() == "own_code"
    # nor a link that leads to it
    repo.propose(WITH_PLUGIN, metrics_py=PLUGIN % "B")
    samples = repo.folder / "data/test.jsonl"
    samples.unlink()
    samples.symlink_to("../metrics.py")
    repo.commit()
    assert repo.state() == "own_code"


def sample(**more: object) -> str:
    return json.dumps({"id": "a", "input": "?", **more})


@pytest.mark.parametrize(
    ("proposed", "state"),
    [
        (sample(metadata={"user": "u1"}), "asked"),
        (sample(metadata={"user": "u1"}, expected="another one"), "asked"),
        (sample(metadata={"user": "u1"}) + "\n" + json.dumps({"id": "b", "input": "?"}), "asked"),
        (sample(metadata={"user": "nobody"}), "own_facts"),
        (sample(), "own_facts"),
        (sample(metadata={"user": "u1"}, tags=["vip"]), "own_facts"),
    ],
    ids=range(6),
)
@pytest.mark.parametrize("config", [OWN, WITH_PLUGIN], ids=["own address", "own code"])
def test_decide__facts_that_main_would_be_told_are_main_s(
    repo: Repo, config, proposed: str, state: str
) -> None:
    config = over(config, gate={"control_url": "https://staging.example"})
    before = {"data/test.jsonl": sample(metadata={"user": "u1"}), "metrics.py": PLUGIN % "A"}
    repo.merge(config, **before)
    repo.propose(over(config, system="x"), **{**before, "data/test.jsonl": proposed})
    assert repo.state() == state


def test_decide__a_hosted_model_is_told_no_facts(repo: Repo) -> None:
    repo.merge(MAIN, **{"data/test.jsonl": sample()})
    repo.propose(over(MAIN, system="x"), **{"data/test.jsonl": sample(tags=["must"])})
    assert repo.state() == "asked"


def test_decide__a_dataset_that_main_does_not_have_may_tell_anything(repo: Repo) -> None:
    config = over(OWN, gate={"control_url": "https://staging.example"})
    repo.merge(config, **{"data/test.jsonl": sample()})
    other = over(config, dataset={"path": "other"})
    repo.propose(other, **{"other/test.jsonl": sample()})
    assert repo.state() == "own_facts"
    # but for one of the run itself, with main's cases put back into that of the checkout
    assert repo.state(dataset=repo.folder / "data") == "asked"


def certified(repo: Repo) -> Callable[[str], None]:
    """Make a main whose chatbot has an authority of its own in the repository."""
    repo.merge(at(MAIN, verify="certs/ca.pem"), certs__ca="", **{"certs__ca.pem": "main's"})

    def propose(text: str) -> None:
        repo.propose(at(over(MAIN, system="x"), verify="certs/ca.pem"), **{"certs__ca.pem": text})

    return propose


def test_decide__files_that_main_is_reached_by_are_main_s(repo: Repo) -> None:
    propose = certified(repo)
    propose("the pull request's")
    assert repo.state() == "own_file"


@pytest.mark.parametrize("link", ["certs/ca.pem", "certs"])
def test_decide__links_to_such_files_are_no_way_around(repo: Repo, link: str) -> None:
    certified(repo)
    (repo.folder / "mine").mkdir()
    (repo.folder / "mine/ca.pem").write_text("the pull request's")
    git("rm", "-rq", "certs", cwd=repo.folder)
    target = "mine/ca.pem" if link.endswith("pem") else "mine"
    (repo.folder / link).parent.mkdir(exist_ok=True)
    (repo.folder / link).symlink_to(repo.folder / target)
    repo.propose(at(over(MAIN, system="x"), verify="certs/ca.pem"))
    assert repo.state() == "own_file"


def test_decide__what_a_link_of_main_leads_to_is_main_s(repo: Repo) -> None:
    (repo.folder / "certs").mkdir()
    (repo.folder / "certs/ca.pem").symlink_to("../shared.pem")
    config = at(MAIN, verify="certs/ca.pem")
    repo.merge(config, **{"shared.pem": "main's"})
    repo.propose(over(config, system="x"), **{"shared.pem": "main's"})
    assert repo.state() == "asked"
    repo.propose(over(config, system="x"), **{"shared.pem": "the pull request's"})
    assert repo.state() == "own_file"


def test_decide__a_link_in_place_of_the_folder_leads_to_no_other_config(tmp_path: Path) -> None:
    git("init", "-q", cwd=tmp_path)
    repo = Repo(tmp_path, name="shop/lm-eval-so.yaml")
    lax = over(OWN, gate={"control_url": EVIL}, dataset={"path": "../data"})
    repo.write(over(OWN, dataset={"path": "../data"}))
    (tmp_path / "old").mkdir()
    (tmp_path / "old/lm-eval-so.yaml").write_text(json.dumps(lax))
    repo.base = repo.commit()
    git("rm", "-rq", "shop", cwd=tmp_path)
    (tmp_path / "shop").symlink_to("old")
    repo.commit()
    assert repo.state() == "own_address"


def test_decide__without_main_s_config_it_is_not_possible(repo: Repo) -> None:
    repo.merge(MAIN)
    repo.file.unlink()
    repo.base = repo.commit()
    repo.propose(over(MAIN, system="x"))
    assert repo.state() == "no_config"
    assert repo.state(base=None) == "base_unknown"
    assert repo.state(base=files_of("0" * 40)) == "no_config"


@pytest.mark.parametrize(
    "config",
    [
        {key: value for key, value in MAIN.items() if key != "suite"},
        over(MAIN, system="${NOWHERE}"),
        over(MAIN, unknown=1),
    ],
)
def test_decide__a_bad_config_of_main_is_told_in_one_line(repo: Repo, config) -> None:
    repo.merge(config)
    repo.propose(MAIN)
    decided = repo.decide()
    assert decided.control.why.code == "bad_config"
    problem = decided.control.why.figures["problem"]
    assert isinstance(problem, str)
    assert problem
    assert "\n" not in problem


def test_decide__a_missing_key_of_main_is_told_without_secrets(repo: Repo) -> None:
    repo.merge(at(MAIN, api_key_env="MAINS_KEY", headers_env={"x-shop": "SHOP"}))
    repo.environ = {**repo.environ, "SHOP": "hush-hush-hush"}
    repo.propose(over(MAIN, system="x"))
    decided = repo.decide()
    assert decided.control.why.code == "failed"
    assert "MAINS_KEY" in str(decided.control.why.figures)
    assert "hush" not in str(decided)


def test_decide__a_simulated_user_of_one_s_own_may_not_play_with_main(repo: Repo) -> None:
    user = {"name": "openai", "params": {"model": "m"}, "options": {"base_url": "${BOT_URL}"}}
    config = over(
        MAIN, run={"simulator": {"backend": user}}, gate={"control_url": "https://s.example/v1"}
    )
    repo.merge(config)
    repo.propose(over(config, system="x"))
    assert repo.state() == "own_address"


def test_decide__plugins_of_main_are_not_run(repo: Repo) -> None:
    repo.merge(over(MAIN, plugins=["evil.py"]), evil_py="raise SystemExit('ran')")
    repo.propose(over(MAIN, system="x"))
    assert repo.state() == "asked"
    with pytest.raises(ConfigError, match="ran"):  # as it would have failed
        load_plugins([repo.folder / "evil.py"])


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://staging.example", None),
        ("https://staging.example/v1", None),
        ("https://user:hunter2@staging.example/v1", "holds a user or a password"),
        ("https://staging.example/v1?token=hunter2", "goes on behind what all requests share"),
    ],
)
def test_control_problems__an_address_that_cannot_be_asked_is_told_early(
    repo: Repo, url: str, told: str | None
) -> None:
    repo.write(over(OWN, gate={"control_url": url}))
    problems = list(control_problems(load_config(repo.file, environ=repo.environ)))
    assert len(problems) == (told is not None)
    for problem in problems:
        assert told is not None
        assert told in problem.what
        assert "hunter2" not in problem.what
        assert problem.where is not None
        assert problem.where.key == "gate.control_url"
    repo.write(over(OWN, backend={"name": "command"}, gate={"control_url": url}))
    assert not list(control_problems(load_config(repo.file, environ=repo.environ)))


def test_decide__outside_of_git_there_is_no_main_to_speak_of(repo: Repo) -> None:
    repo.write(OWN)
    nowhere = {"base": None, "why": Reason(code="no_repository")}
    job = {**repo.environ, "GITHUB_ACTIONS": "true"}
    assert repo.state(**nowhere, environ=repo.environ) is None
    assert repo.state(**nowhere, environ=job) == "no_repository"


@pytest.mark.parametrize(
    ("config", "is_told"),
    [
        (OWN, True),
        (over(OWN, gate={"control_url": "https://staging.example"}), False),
        (over(OWN, gate={"control": "off"}), False),
        (over(OWN, gate={"broken": "off"}), False),
        ({key: value for key, value in OWN.items() if key != "baseline"}, False),
        (MAIN, False),
        (over(MAIN, backend={"name": "command", "options": {"argv": ["cat"]}}), False),
    ],
    ids=range(7),
)
def test_control_hint__where_the_url_of_main_would_help(repo: Repo, config, is_told: bool) -> None:
    repo.write(config)
    found = load_config(repo.file, environ=repo.environ)
    assert not [*control_hint(found, repo.environ)]  # nobody measures pull requests here
    (repo.file.parent / ".github/workflows").mkdir(parents=True)
    told = control_hint(found, repo.environ)
    assert [("gate.control_url" in event.text) for event in told] == [True] * is_told


def of_run(fingerprint: str, *, reach: str = "r", commit: str | None = None, models=()):
    experiment = replace(
        REPORT.experiment,
        backend=replace(REPORT.experiment.backend, models_answered=models),
        fingerprints={"run": fingerprint, "reach": reach},
        commit=commit,
    )
    return replace(REPORT, experiment=experiment)


def test_decide__tells_which_models_answered_and_whether_the_baseline_is_of_main(
    repo: Repo,
) -> None:
    repo.merge(MAIN)
    config = load_config(repo.file, environ=repo.environ)
    source = ControlSource(file=repo.file, environ=repo.environ, base=files_of(repo.base))
    now = of_run("f", models=("m-1106",))
    for before, served, stale in (
        (of_run("f", models=("m-0613",)), ("m-0613", "m-1106"), False),
        (of_run("g", models=("m-1106",)), None, True),
        (of_run("f"), None, False),
        (of_run("f", models=(f"m-{KEY}",)), ("m-[redacted:OPENAI_API_KEY]", "m-1106"), False),
    ):
        for is_scheduled in (False, True):
            decided = decide(config, replace(source, is_scheduled=is_scheduled), now, before)
            if is_scheduled and stale:
                assert decided is None
                continue
            assert decided.control.served == served
            assert decided.control.stale is (stale and not is_scheduled)


def scheduled(repo: Repo, baseline) -> str | None:
    config = load_config(repo.file, environ=repo.environ)
    source = ControlSource(
        file=repo.file, environ=repo.environ, base=files_of(repo.base), is_scheduled=True
    )
    decided = decide(config, source, of_run("f"), baseline)
    return decided and decided.control.state


def test_decide__on_a_schedule_a_hosted_model_is_unchanged_by_its_fingerprint(repo: Repo) -> None:
    repo.merge(MAIN)
    assert scheduled(repo, of_run("f")) == "unchanged"
    assert scheduled(repo, of_run("g")) is None
    assert scheduled(repo, of_run("f", reach="other")) is None


def test_decide__on_a_schedule_an_own_chatbot_is_unchanged_by_its_commit(repo: Repo) -> None:
    repo.merge(OWN, bot_py="1")
    measured = of_run("f", reach="of another day", commit=repo.base)
    assert scheduled(repo, measured) == "unchanged"
    repo.merge(OWN, **{"base.json": "the baseline itself", "v1.json": "what is no anchor"})
    assert scheduled(repo, measured) is None
    anchored = over(OWN, baseline={"path": "base.json", "anchor": "v1.json"})
    repo.merge(anchored)
    measured = of_run("f", reach="of another day", commit=repo.base)
    repo.merge(anchored, **{"base.json": "the next one", "v1.json": "the next release"})
    assert scheduled(repo, measured) == "unchanged"
    repo.merge(OWN, bot_py="2")
    assert scheduled(repo, measured) is None
    assert scheduled(repo, of_run("f")) is None
    assert scheduled(repo, of_run("f", commit="no commit")) is None


def test_decide__on_a_schedule_options_that_read_answers_count_as_a_change(repo: Repo) -> None:
    repo.merge(OWN)
    measured = of_run("f", commit=repo.base)
    repo.merge(at(OWN, headers={"x-route": "cheap"}))
    assert scheduled(repo, measured) is None
