import json
from pathlib import Path

import pytest

import lm_eval_so.core.backends.openai.backend as module
from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.openai.backend import OpenAIBackend, presets
from lm_eval_so.core.backends.openai.endpoint import is_address


def make(environ: dict[str, str], **options: str) -> OpenAIBackend:
    params, made = OpenAIBackend.Params(model="m"), OpenAIBackend.Options(**options)
    return OpenAIBackend(params=params, options=made, env=BackendEnv(environ=environ))


def test_presets__all_of_them():
    assert list(presets()) == [
        "anthropic",
        "clova",
        "deepseek",
        "fireworks",
        "gemini",
        "groq",
        "lmstudio",
        "mistral",
        "ollama",
        "openrouter",
        "together",
        "upstage",
        "vllm",
        "xai",
    ]


@pytest.mark.parametrize("name", sorted(presets()))
def test_presets__each_is_ready_to_use(name: str):
    preset = presets()[name]
    assert is_address(preset.base_url)
    assert not preset.base_url.endswith("/")
    assert preset.docs.startswith("https://")
    is_here = "localhost" in preset.base_url
    assert is_here == (preset.api_key_env == "")
    assert is_here or preset.base_url.startswith("https://")
    backend = make({preset.api_key_env: "k-123456"}, preset=name)
    assert list(backend.check()) == []
    assert backend.base_url == preset.base_url


def test_presets__file_has_no_name_twice():
    pairs: list[str] = []
    text = Path(module.__file__).with_name("presets.json").read_text(encoding="utf-8")
    json.loads(text, object_pairs_hook=lambda found: pairs.extend(k for k, _ in found))
    names = [name for name in pairs if name not in {"base_url", "api_key_env", "docs"}]
    assert len(names) == len(set(names))


def test_preset__fills_in_only_what_is_not_said():
    environ = {"OPENAI_BASE_URL": "http://env/v1", "MINE": "k-123456"}
    assert make(environ, preset="groq", base_url="http://own/v1").base_url == "http://own/v1"
    assert list(make(environ, preset="groq", api_key_env="MINE").check()) == []
    (problem,) = make(environ, preset="groq").check()
    assert problem.what == "GROQ_API_KEY is not set"
    assert make(environ, preset="ollama").base_url == "http://localhost:11434/v1"
