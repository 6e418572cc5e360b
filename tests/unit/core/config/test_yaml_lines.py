"""YAML: strict scalars, and a place for every key."""

import pytest

from lm_eval_so.core.config.yaml_lines import parse_yaml
from lm_eval_so.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("True", "True"),
        ("true", True),
        ("2024-01-02", "2024-01-02"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("10", 10),
        ("-3.5", -3.5),
        ("1e3", 1000.0),
        ("~", None),
        ("''", ""),
        ("'10'", "10"),
        ("환불", "환불"),
    ],
)
def test_parse_yaml__scalars(text: str, value: object) -> None:
    found = parse_yaml(f"key: {text}\n", file="f").values["key"]
    assert found == value
    assert type(found) is type(value)


def test_parse_yaml__knows_places() -> None:
    located = parse_yaml("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", file="f.yaml")
    where = located.where(("a", "c", 1, "d"))
    assert (where.line, where.column, where.key) == (5, 8, "a.c[1].d")
    assert located.where(("a", "missing")).line == 1


@pytest.mark.parametrize("text", ["a: !!python/object:os.system x", "a: !secret x", "a: 1\na: 2"])
def test_parse_yaml__refuses(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_yaml(text, file="f")


def test_parse_yaml__an_unquoted_template_is_no_key() -> None:
    with pytest.raises(ConfigError, match="stands where a key must") as failed:
        parse_yaml("body:\n  message: {{ last_user }}\n", file="f")
    problem = failed.value.problems[0]
    assert problem.where is not None
    assert (problem.where.line, problem.hint) == (2, 'quote the text: "{{ name }}"')


def test_parse_yaml__refuses_a_bomb_of_aliases() -> None:
    lines = [
        "a0: &a0 [x]",
        *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 30)}]" for i in range(1, 6)),
    ]
    with pytest.raises(ConfigError, match="more than 100,000 values"):
        parse_yaml("\n".join(lines), file="f")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: &a [*a]", "an alias inside"),
        ("a: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a: 1e999", "1e999 is too large a number"),
        ("a: \x00", "special characters are not allowed"),
    ],
)
def test_parse_yaml__hostile_texts(text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        parse_yaml(text, file="c.yaml")


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("run:\n\tconcurrency: 3\n", "indent with spaces, not with tabs"),
        ("system: @환불\n", "put the text into quotes"),
        ('system: 질문: "환불"\n', "put a text that holds a colon into quotes"),
        ("- a\n b: 1\n", "put a text that holds a colon into quotes"),
        ("a:\n    b: 1\n   c: 1\n", "keys of one level begin in one column"),
    ],
)
def test_parse_yaml__says_what_to_do_about_mistakes_of_the_hand(text: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, file="f")
    assert str(caught.value.problems[0].hint).startswith(remedy)
