"""The guide to one's own chatbot: its table, its commands, and what it shows of them."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
from servers.commands import lm_eval_so
from servers.shop_bot import Asked, ShopBot, Told
from snippets import ROOT, blocks

ANSWER = runpy.run_path(str(ROOT / "example/app-in-the-pull-request/bot.py"))["answer"]
NOBODY = {"OLLAMA_HOST": "127.0.0.1:9"}


@pytest.mark.parametrize(
    ("page", "encoding"), [("own-chatbot.md", "utf-8"), ("own-chatbot.ko.md", "cp949")]
)
def test_own_chatbot__is_what_the_page_shows(page: str, encoding: str, tmp_path: Path) -> None:
    shown = [block for block in blocks(ROOT / "docs" / page) if block.language in {"text", "sh"}]
    table, *commands = [block.text for block in shown]
    (tmp_path / "questions.csv").write_text(table, encoding=encoding, newline="\r\n")
    changed = False

    def answer(asked: Asked) -> Told:
        told = ANSWER(asked.json["message"])
        return Told({"reply": re.sub("30(?= days|일)", "14", told) if changed else told})

    with ShopBot(answer) as bot:
        for text in commands:
            line, *output = text.removeprefix("$ ").splitlines()
            words = shlex.split(line.replace("http://127.0.0.1:8931", bot.url))[1:]
            done = lm_eval_so(*words, cwd=tmp_path, environ=NOBODY)
            assert done.returncode == (1 if changed else 0), done.stderr
            missing = {*output} - {"…"} - {*done.stderr.splitlines()}
            assert not missing, done.stderr
            changed = words[0] == "baseline"
    assert len(commands) == 4
