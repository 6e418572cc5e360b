"""The first hour without a key: from a folder of documents to tests."""

import shutil
from pathlib import Path

from servers.commands import lm_eval_so
from servers.shop_bot import Asked, ShopBot, Told

DATA = Path(__file__).parents[1] / "data/shop"
QUICKSTART = Path(__file__).parents[2] / "example/quickstart/sources"
NOBODY = {"OLLAMA_HOST": "127.0.0.1:9"}


def answer(asked: Asked) -> Told:
    return Told({"data": {"reply": f"7일 안에 됩니다. {asked.json['message']}"}})


def test_first_hour__without_a_key_ends_with_tests(tmp_path: Path) -> None:
    shutil.copytree(DATA, tmp_path / "docs")
    shutil.copy(QUICKSTART / "faq.csv", tmp_path / "docs/faq.csv")
    with ShopBot(answer) as bot:
        line = ["init", "docs/", "--url", f"{bot.url}/chat", "--workflow"]
        begun = lm_eval_so(*line, cwd=tmp_path, environ=NOBODY)
        assert begun.returncode == 0, begun.stderr
        assert "docs/faq.csv" in begun.stderr
        assert begun.stdout.splitlines() == [
            "lm-eval-so.yaml",
            ".github/workflows/lm-eval-so.yml",
            ".gitignore",
        ]
        again = lm_eval_so(*line, cwd=tmp_path, environ=NOBODY)
        assert (again.returncode, len(bot.asked)) == (2, 1)
        made = lm_eval_so("generate", cwd=tmp_path)
        assert made.returncode == 0, made.stderr
        tests = (tmp_path / "dataset/docs/test.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(tests) == 18 + 15 + 10
    told = lm_eval_so(
        "init", "docs/", "--force", "--url", f"{bot.url}/chat", cwd=tmp_path, environ=NOBODY
    )
    assert told.returncode == 4
    assert (tmp_path / "lm-eval-so.yaml").read_text(encoding="utf-8").count("\n# backend:\n") == 1
