import sys

import pytest

from lm_eval_so.core.templates.sandbox import fill_markdown


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with templates; give the function that fills one."""
    folder = tmp_path / "some_templates"
    (folder / "templates").mkdir(parents=True)
    (folder / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda text, secret="key", **values: fill(folder, text, values, secret)
    sys.modules.pop("some_templates", None)


def fill(folder, text, values, secret="key"):
    (folder / "templates" / "x.md.j2").write_text(text, encoding="utf-8")
    return fill_markdown(
        "some_templates", "x.md.j2", values, redact=lambda s: s.replace(secret, "***")
    )


def test_fill_markdown__what_no_filter_made_safe_becomes_code(package):
    assert package("{{ x }} {{ 3 }} {{ x ~ x }}", x="@a") == "`@a` 3 `@a@a`"


def test_fill_markdown__filters_escape_once(package):
    assert package("{{ x | inline }} {{ x | cut(1) | name }}", x="a`b") == "``a`b`` a… (+2)"


def test_fill_markdown__secrets_are_taken_out_before_cutting(package):
    assert package("{{ x | cut(2) | inline }}{{ y }}", x="key", y="my key") == "`**… (+1)``my ***`"


def test_fill_markdown__a_compiled_template_keeps_nothing_of_the_call_before(package):
    text = "{{ x }} {{ 'a key' }} {{ 'pass' | inline }} {{ 'a ' ~ 'key' }}"
    assert package(text, x="key") == "`***` `a ***` `pass` `a ***`"
    assert package(text, x="key", secret="pass") == "`key` `a key` `***` `a key`"


def test_fill_markdown__a_changed_template_is_compiled_anew(package):
    assert [package("{{ x }}", x="a"), package("{{ x }}!", x="a")] == ["`a`", "`a`!"]


def test_fill_markdown__data_is_no_template(package):
    assert package("{{ x }}", x="{{ 7*7 }}{% include 'y' %}") == "`{{ 7*7 }}{% include 'y' %}`"


def test_fill_markdown__an_unknown_name_is_an_error(package):
    with pytest.raises(Exception, match="'y' is undefined"):
        package("{{ y }}")


@pytest.mark.parametrize("text", ["{{ x }}", "{{ x | inline }}"])
def test_fill_markdown__none_is_an_error(package, text):
    with pytest.raises(TypeError, match="None"):
        package(text, x=None)


def test_fill_markdown__templates_reach_no_internals(package):
    with pytest.raises(Exception, match="access to attribute '__class__'"):
        package("{{ x.__class__ }}", x="a")
