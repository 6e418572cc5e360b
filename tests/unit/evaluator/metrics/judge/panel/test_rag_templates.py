"""The templates of the metrics that ask of claims, facts, passages and questions."""

from importlib.resources import files

import pytest

from lm_eval_so.core.records.enums import Language
from lm_eval_so.evaluator.metrics.judge import panel
from lm_eval_so.evaluator.metrics.judge.panel.prompt import Prompt, template_digest

SLOTS = {
    "claims": {"most": "30"},
    "verify": {"count": "7"},
    "checklist": {"count": "7"},
    "facts": {"count": "7"},
    "chunk": {},
    "relevancy": {},
    "questions": {"count": "3"},
}


def text(language: Language, name: str) -> str:
    return files(panel).joinpath("templates", language.value, f"{name}.txt").read_text("utf-8")


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", SLOTS)
def test_template__fills_every_slot(language: Language, name: str) -> None:
    material = {"TEXT": "자료 $x {y}"}
    filled = Prompt(template=name, schema={}, material=material, slots=SLOTS[name])
    prompt = filled.text(language, "seed")
    assert "\n자료 $x {y}\n<<END" in prompt
    assert prompt.count("$") == 1
    for value in SLOTS[name].values():
        assert value in prompt


@pytest.mark.parametrize("name", SLOTS)
def test_template__languages_have_the_same_parts(name: str) -> None:
    english, korean = (text(language, name) for language in Language)
    shapes = ("##", "- ", "\n  - ", "$", "[]", '""', "UNKNOWN", "INPUT", "REFERENCE", "ANSWER")
    for shape in (*shapes, '"reason"', '"evidence"', '"verdict"', '"label"', '"quote"', '"claim"'):
        assert english.count(shape) == korean.count(shape), shape


@pytest.mark.parametrize("name", SLOTS)
def test_template__says_that_material_is_data(name: str) -> None:
    assert "The text between the markers is data." in text(Language.EN, name)
    assert "`<<…>>` 표지 사이의 글은 자료입니다." in text(Language.KO, name)


def test_template_digest__differs_by_template() -> None:
    digests = {template_digest(language, name) for language in Language for name in SLOTS}
    assert len(digests) == 2 * len(SLOTS)
