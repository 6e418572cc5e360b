"""A model that writes and checks test questions by rule, from the prompts alone, and never tires.

Its questions are made-up words, so that none copies a passage; it remembers what it proposed, and
says as a checker what it knows of these.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say

_BLOCK = re.compile(r"<<(.+?) ([0-9a-f]{6})>>\n(.*?)\n<<END \2>>", re.DOTALL)
_TYPES = ("fact", "follow_up", "multi_hop", "unanswerable", "false_premise", "superseded")
_SYLLABLES = "갸냐댜랴먀뱌샤야쟈챠캬탸퍄햐겨녀뎌려며벼셔여져쳐켜텨펴혀교뇨됴료묘뵤쇼요죠쵸쿄툐표효"
_LETTERS = "bcdfghjklmnpqrstvwxz"


@dataclass
class QuestionWriter:
    """Answers prompts; `proposed` has what it wrote, by question."""

    proposed: dict[str, dict[str, Any]] = field(default_factory=dict)
    prompts: list[str] = field(default_factory=list)

    def reply(self, prompt: str) -> str:
        """Return the output of the model for a prompt."""
        self.prompts.append(prompt)
        language = Language.KO if "당신은" in prompt else Language.EN
        blocks = [(name, text) for name, _, text in _BLOCK.findall(prompt)]
        word = say("writing.question", language)
        questions = [text for name, text in blocks if name.startswith(word)]
        passages = [text for name, text in blocks if not name.startswith(word)]
        values = (
            self.check(passages, questions) if questions else self.write(prompt, passages, language)
        )
        return f"```json\n{json.dumps(values, ensure_ascii=False)}\n```"

    def write(self, prompt: str, passages: list[str], language: Language) -> dict[str, Any]:
        """Return a proposal for passages."""
        if '"opening"' in prompt:
            return self.scene(prompt, passages, language)
        type_ = next(t for t in _TYPES if say(f"writing.task_{t}", language) in prompt)
        quotes = [_line(text, prompt) for text in passages[: 2 if type_ == "multi_hop" else 1]]
        if type_ == "superseded":
            newer, older = (text.splitlines() for text in passages)
            changed = [line for line in newer if line not in older and "|" not in line]
            quotes = [_line("\n".join(changed), prompt)]
        made = {
            "history": [],
            "question": f"{_words(prompt, 'question', language)}?",
            "answer": " ".join(map(_plain, quotes)),
            "quotes": quotes,
            "must_say": [_own_word(q, quotes) for q in quotes] if len(quotes) > 1 else [],
            "search": [],
        }
        if type_ == "follow_up":
            made["history"] = [
                {
                    "user": _words(prompt, "user", language),
                    "assistant": _words(prompt, "bot", language),
                }
            ]
        if type_ == "unanswerable":
            made |= {"answer": "", "search": [_words(prompt, f"s{n}", language) for n in range(4)]}
        self.proposed[made["question"]] = {"type": type_, **made}
        return made

    def scene(self, prompt: str, passages: list[str], language: Language) -> dict[str, Any]:
        """Return a conversation about a line of a passage."""
        quote = _line(passages[0], prompt)
        opening = f"{_words(prompt, 'question', language)}?"
        word = max(re.findall(r"[\w가-힣]{2,}", quote), key=len)
        return {
            "goal": _words(prompt, "goal", language),
            "opening": opening,
            "facts": [{"name": _words(prompt, "name", language), "value": "2"}],
            "success": [{"type": "contains", "text": word}, {"type": "judge", "text": "OK?"}],
            "must_not": [{"type": "contains", "text": word}],
            "quotes": [quote],
        }

    def check(self, passages: list[str], questions: list[str]) -> dict[str, Any]:
        """Return the verdicts on questions, by what was proposed."""
        return {
            "verdicts": [self.verdict(n, q, passages) for n, q in enumerate(questions, start=1)]
        }

    def verdict(self, number: int, question: str, passages: list[str]) -> dict[str, Any]:
        """Return the verdict on one question."""
        asked = re.sub(r"^(user|사용자): ", "", question.splitlines()[-1])
        known = self.proposed.get(asked, {"type": "", "quotes": [], "answer": ""})
        held = [quote for quote in known["quotes"] if any(quote in text for text in passages)]
        found = {"false_premise": "denies", "unanswerable": "nothing"}.get(known["type"], "answers")
        if not held or len(held) < len(known["quotes"]):
            found = "nothing"
        told = found != "nothing"
        return {
            "question": number,
            "verdict": found,
            "quote": held[0] if told else "",
            "answer": known["answer"] if told else "",
        }


def _line(passage: str, prompt: str) -> str:
    lines = [
        re.sub(r"^ *(?:[-*] |\d+\. )", "", line)
        for line in passage.splitlines()
        if line.strip()
        and not re.match(r"#|\|-|```", line)
        and not re.search(r"\[[A-Z]+_\d\]", line)
    ]
    return lines[_digest(prompt, "line") % len(lines)]


def _plain(line: str) -> str:
    return re.sub(r"[|\s]+", " ", line).strip()


def _own_word(quote: str, quotes: list[str]) -> str:
    others = " ".join(other for other in quotes if other is not quote)
    words = re.findall(r"[\w가-힣]{2,}", quote)
    return next((word for word in words if word not in others), words[0] if words else "")


def _words(prompt: str, salt: str, language: Language) -> str:
    letters = _SYLLABLES if language is Language.KO else _LETTERS
    length = 3 if language is Language.KO else 6
    digits = _digest(prompt, salt)
    words = []
    for _ in range(4):
        word = ""
        for _ in range(length):
            digits, place = divmod(digits, len(letters))
            word += letters[place]
        words.append(word)
    return " ".join(words)


def _digest(prompt: str, salt: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{salt}\0{prompt}".encode()).digest(), "big")
