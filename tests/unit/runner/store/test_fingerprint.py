"""What `run.json` says of a run: digests that know what matters, and no secret."""

from pathlib import Path
from typing import Any

from pydantic import Field
from servers.runs import endpoint, make, resources

from lm_eval_so.core.asking.open import build_asked
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.config.model import Config, RunSection
from lm_eval_so.core.records.run import DatasetRef, RunInfo
from lm_eval_so.runner.plan.jobs import Plan, request_settings
from lm_eval_so.runner.plan.selection import Selection
from lm_eval_so.runner.store.fingerprint import differences, head

DATASET = DatasetRef(name="d", digest="d" * 64, n=1)


def head_of(config: Any, environ: dict[str, str] | None = None) -> RunInfo:
    given = resources(environ={"OPENAI_API_KEY": "k", **(environ or {})})
    backend = build_asked(config.backend, config=config, environ=given.environ)
    selection = Selection(dataset=DATASET, samples=(), folder=Path(), shard=None, within=config)
    settings = request_settings(config, backend)
    plan = Plan(samples=(), settings=settings, keys=[1], simulates=False)
    return head(config, backend, selection, plan, given)


def digest_of(folder: Path, *, host: str = "judge", **options: Any) -> str:
    judge = endpoint(f"http://{host}/v1")
    judge["options"] |= options
    simulator = {"backend": endpoint("http://user/v1")}
    metrics = [{"name": "llm_judge", "params": {"rubric": "r"}, "backend": judge}]
    config = make(folder, endpoint("http://bot/v1"), metrics=metrics, run={"simulator": simulator})
    return head_of(config).config_digest


def test_head__config_digest_knows_the_host_of_a_judge_and_no_key(
    tmp_path: Path,
) -> None:
    first = digest_of(tmp_path)
    keys = [digest_of(tmp_path, headers={"X-Api-Key": key}) for key in ("abc", "def")]
    assert keys[0] == keys[1]
    assert digest_of(tmp_path, host="other") != first


def test_head__config_digest_knows_what_options_say_and_no_key(tmp_path: Path) -> None:
    file = tmp_path / "lm-eval-so.yaml"
    file.write_text(
        "version: 1\nsuite: s\ndataset: {path: d}\n"
        "backend: {name: http, params: {model: m}, options: {url: 'http://${USER_KEY}@bot/v1',\n"
        "  headers: {X-Variant: '${VARIANT:-a}', Authorization: 'Bearer ${ANY}', X-Own: '${OWN_KEY}'},\n"
        "  body: {m: '{{ last_user }}'}, response: {text: t}}}\n"
        "metrics: [{name: choice, params: {options: [A, B]}}]\n",
        encoding="utf-8",
    )

    def digest_with(*overrides: str, **environ: str) -> str:
        environ = {"ANY": "k1k1k1", "OWN_KEY": "k2k2k2", "USER_KEY": "k3k3k3", **environ}
        return head_of(
            load_config(file, overrides=overrides, environ=environ), environ
        ).config_digest

    first = digest_with()
    assert digest_with(ANY="another", OWN_KEY="another", USER_KEY="another") == first
    others = [
        digest_with(VARIANT="b"),
        digest_with("backend.options.headers.X-Variant=c"),
        digest_with("backend.options.headers.X-New=c"),
        digest_with("metrics=[{name: choice, params: {options: [A, C]}}]"),
    ]
    assert len({first, *others}) == 5


class LaterRun(RunSection):
    later: int = 5


class LaterConfig(Config):
    """The config of a later version, with new keys that have defaults."""

    run: LaterRun = Field(default_factory=LaterRun)
    later: list[str] = Field(default_factory=lambda: ["a"])


def test_head__config_digest_stays_the_same_when_a_version_brings_new_keys() -> None:
    values = {
        "version": 1,
        "suite": "s",
        "dataset": {"path": "d"},
        "backend": {"name": "scripted"},
        "run": {"seed": 8, "simulator": {"backend": {"name": "scripted"}}},
        "metrics": ["exact_match", {"name": "llm_judge", "backend": {"name": "scripted"}}],
    }
    now = head_of(Config.model_validate(values)).config_digest
    assert head_of(LaterConfig.model_validate(values)).config_digest == now
    written = {**values, "run": {**values["run"], "concurrency": 16}, "gate": {"alpha": 0.05}}
    assert head_of(LaterConfig.model_validate(written)).config_digest == now
    assert head_of(LaterConfig.model_validate({**values, "later": ["b"]})).config_digest != now


def test_head__system_and_tools_stand_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "lm-eval-so.yaml"
    file.write_text(
        "version: 1\nsuite: s\ndataset: {path: d}\nsystem: 'Du bist ${WHO}.'\n"
        "backend: {name: openai, params: {model: '${MODEL}'}}\n"
        "tools: [{type: function, function: {name: f, description: '${WHO}'}}]\n",
        encoding="utf-8",
    )
    infos = []
    for who in ("Hugo-im-Prompt", "Emil-im-Prompt"):
        environ = {"WHO": who, "MODEL": "m-7"}
        infos.append(head_of(load_config(file, environ=environ), environ))
    one, other = infos
    assert (one.backend.system, one.backend.params) == ("Du bist ${WHO}.", {"model": "m-7"})
    assert one.tools[0]["function"] == {"name": "f", "description": "${WHO}"}
    assert "Hugo" not in str(one)
    assert differences(one, other) == ("what a variable of the config holds",)
