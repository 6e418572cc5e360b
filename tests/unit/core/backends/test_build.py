from pathlib import Path

import pytest

from lm_eval_so.core.backends.build import (
    backend_fingerprint,
    build_backend,
    reach_digest,
    sent_params,
)
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.errors import ConfigError, UnknownName

HEAD = "version: 1\nsuite: s\ndataset: {path: .}\n"


def config(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "lm-eval-so.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_config(path)


def build(made: Config, environ: dict[str, str] | None = None):
    assert made.backend is not None
    return build_backend(
        made.backend,
        config=made,
        where_path=("backend",),
        environ=environ or {"OPENAI_API_KEY": "k"},
    )


def test_build_backend__lists_all_problems_with_lines(tmp_path: Path):
    text = "backend:\n  name: openai\n  params:\n    temperature: 0\n  options:\n    base_ur: x\n    timeout_s: -1\n"
    with pytest.raises(ConfigError) as failed:
        build(config(tmp_path, text))
    told = {p.what: p.where.line for p in failed.value.problems if p.where}
    assert told['the key "model" is missing'] == 6
    assert told['unknown key "base_ur" (did you mean "base_url"?)'] == 9
    assert any(what.startswith("input should be greater than 0") for what in told)


def test_build_backend__missing_key_names_the_line(tmp_path: Path):
    text = "backend:\n  name: openai\n  params: {model: m}\n  options:\n    api_key_env: MY_KEY\n"
    with pytest.raises(ConfigError) as failed:
        build(config(tmp_path, text))
    problem = failed.value.problems[0]
    assert problem.what == "MY_KEY is not set"
    assert problem.where
    assert (problem.where.line, problem.where.key) == (8, "backend.options.api_key_env")


def test_build_backend__unknown_name(tmp_path: Path):
    with pytest.raises(UnknownName) as failed:
        build(config(tmp_path, "backend: {name: opnai}\n"))
    assert 'did you mean "openai"' in str(failed.value)


def test_backend_fingerprint__only_what_decides_an_answer(tmp_path: Path):
    def prints(text: str, system: str | None = None, seed: int = 7) -> tuple[str, str]:
        made = config(tmp_path, text)
        backend = build(made)
        assert made.backend is not None
        found = backend_fingerprint(made.backend, backend, system=system, seed=seed)
        return found, reach_digest(backend)

    base = "backend: {name: openai, params: {model: m}, options: {base_url: 'http://a/v1'}}\n"
    fingerprint, reach = prints(base)
    assert prints(base.replace("}}", ", timeout_s: 5}}")) == (fingerprint, reach)
    assert prints(base.replace("http://a", "http://b"))[0] == fingerprint
    assert prints(base.replace("http://a", "http://b"))[1] != reach
    assert prints(base.replace("model: m", "model: n"))[0] != fingerprint
    assert prints(base, system="x")[0] != fingerprint
    assert prints(base, seed=8)[0] != fingerprint


def test_sent_params__defaults_included(tmp_path: Path):
    backend = build(config(tmp_path, "backend: {name: local, options: {base_url: 'http://a'}}\n"))
    assert sent_params(backend) == {"model": None, "temperature": 0.0, "cache_prompt": False}


def test_build_backend__certificates_are_always_checked(tmp_path: Path):
    text = "backend: {name: openai, params: {model: m}, options: {verify: false}}\n"
    with pytest.raises(ConfigError) as failed:
        build(config(tmp_path, text))
    (problem,) = failed.value.problems
    assert problem.what.startswith("certificates are always checked; name the file of your ")
