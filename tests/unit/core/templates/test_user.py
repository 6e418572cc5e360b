import time
import tracemalloc

import pytest

from lm_eval_so.core.templates.user import MOST_CHARACTERS, TemplateFault, UserTemplate

KNOWN = ("last_user", "messages", "history", "session", "params")
VALUES = {
    "last_user": '환불 "며칠"?\n둘째 줄',
    "messages": [{"role": "user", "content": "가"}, {"role": "assistant", "content": "나"}],
    "history": [],
    "session": {"id": "s1"},
    "params": {"items": 3, "none": None, "yes": True, "number": 2.5},
}


def render(source: str, **how: object) -> object:
    return UserTemplate(source, known=KNOWN, **how).render(VALUES)


def fault(source: str, **how: object) -> TemplateFault:
    with pytest.raises(TemplateFault) as failed:
        render(source, **how)
    return failed.value


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{ last_user | tojson }}", r'"환불 \"며칠\"?\n둘째 줄"'),
        ("{{ session.remote | default(session.id) }}", "s1"),
        ("{{ messages[:1] | tojson }}", '[{"role": "user", "content": "가"}]'),
        ("{% for m in messages %}{{ m.role }}{{ ',' if not loop.last }}{% endfor %}",
         "user,assistant"),
        ("{{ messages | map(attribute='content') | join('·') }}", "가·나"),
        ("{{ messages | selectattr('role', 'eq', 'user') | list | length }}", "1"),
        ("{{ messages[-1].content }}{{ messages[0]['role'] }}", "나user"),
        ("{% for k, v in session.items() %}{{ k }}={{ v }}{% endfor %}", "id=s1"),
        ("{% set n = 2 %}{{ n ** 3 % 5 + 0.5 }}", "3.5"),
        ("{{ params.items }} {{ params.yes }} {{ params.none is none }}", "3 true true"),
        ("{{ 'a' ~ (1 + 1) }}{{ 'b' + 'c' }}", "a2bc"),
        ("{{ last_user.strip() | upper | replace('환불', 'X') | length }}", "12"),
        ("{{ '<가&>' | escape }}{{ 'a/가' | urlencode }}", "&lt;가&amp;&gt;a%2F%EA%B0%80"),
        ("{{ '7' | int + 1 }}{{ range(2, 5) | list | tojson }}", "8[2, 3, 4]"),
        ("{{ 'x' in ['x', 'y'] }}", "true"),
    ],
)  # fmt: skip
def test_render__what_requests_need(source: str, shown: str):
    assert render(source) == shown


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ messages }}", VALUES["messages"]),
        ("{{ params.none }}", None),
        ("{{ params.number }}", 2.5),
        ("{{ params.yes }}", True),
        ("{{ messages | map(attribute='role') }}", ["user", "assistant"]),
        ("<{{ params.items }}>", "<3>"),
        ("plain", "plain"),
    ],
)
def test_render__an_expression_alone_keeps_its_type(source: str, value: object):
    assert render(source, keeps_type=True) == value


def test_render__escape_is_for_what_expressions_give():
    assert render(
        "a/b/{{ session.id ~ '/../' }}", escape=lambda text: text.replace("/", "%2F")
    ) == ("a/b/s1%2F..%2F")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ ''.__class__ }}", "__class__"),
        ("{{ ''['__class__'] }}", "__class__"),
        ("{{ ''['__cl' ~ 'ass__'] }}", "unsafe"),
        ("{{ messages | map(attribute='__class__') | join }}", "unsafe"),
        ("{{ 'a'|center(10**9) }}", 'no filter "center"'),
        ("{{ messages | map('center', 9) | list }}", "center"),
        ("{{ '%1000000000d' is even }}", 'no test "even"'),
        ("{{ 'a' * 10**9 }}", '"*" takes numbers'),
        ("{{ [1] * 9 }}", '"*" takes numbers'),
        ("{{ '%9d' % 1 }}", '"%" takes numbers'),
        ("{{ '{0.__class__}'.format(1) }}", "can be called"),
        ("{{ '{}'.format }}", '"format" is out of bounds'),
        ("{{ 10 ** 10 ** 8 }}", "2^53"),
        ("{{ 2 ** 60 }}", "powers"),
        ("{{ 1e400 }}", "too large"),
        ("{{ lipsum() }}", "can be called"),
        ("{{ messages.append(1) }}", "can be called"),
        ("{{ self }}", "self"),
        ("{{ cycler }}", 'no "cycler"'),
        ("{% include 'x' %}", '"include" is not allowed'),
        ("{% macro a() %}{{ a() }}{% endmacro %}", "not allowed"),
        ("{% set x %}a{% endset %}", "not allowed"),
        ("{% for x in messages recursive %}{{ loop(x) }}{% endfor %}", "recursive"),
        ("{{ [last_user, last_user] }}", "of constants"),
        ("{{ last_usr }}", 'did you mean "last_user"'),
        ("{{ session.remote }}", 'no "remote", only id'),
        ("{{ messages }}", "a list is no text; write it with | tojson"),
        ("{{ params.none }}", "null is no text"),
        ("{{ messages[0].get }}", "is no text"),
        ("{{ last_user", "unexpected end"),
        ("{{ 1 / 0 }}", "division by zero"),
    ],
)
def test_template__refused_with_a_reason(source: str, why: str):
    assert why in str(fault(source))


def test_template__a_fault_tells_its_line():
    assert fault("a\n\n{{ session.x }}").line == 3
    assert fault("a\n{{ nope }}").line == 2


DOUBLED = "{% set a = 'aaaaaaaa' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10**9 }}",
        "{{ 'a'|center(10**9) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 9 ** 9 ** 9 }}",
        DOUBLED,
        DOUBLED.replace("~", "+"),
        "{{ 'a'" + "|replace('a', 'aaaaaaaaaa')" * 12 + " }}",
        "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a | tojson }}",
        "{% for i in range(10**9) %}x{% endfor %}",
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
        "{% for i in range(90) %}{% for c in big %}{{ big }}{% endfor %}{% endfor %}",
        "{{ range(10**9) | map('string') | join }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ 1" + " + 1" * 9000 + " }}",
        "{{ big | tojson }}",
        "{% for i in range(99999) %}{% if big.lower() == 'x' %}{% endif %}{% endfor %}",
        "{% for i in range(99999) %}{% if big.endswith(big) %}{% endif %}{% endfor %}",
        "{% for i in range(99999) %}{% if 'x' in big %}{% endif %}{% endfor %}",
        "{% for i in range(99999) %}{% if big is in big %}{% endif %}{% endfor %}",
        "{% for i in range(99999) %}{% if big[::-1] %}{% endif %}{% endfor %}",
        "{% for i in range(99999) %}{% if big | int %}{% endif %}{% endfor %}",
        "x" * 2**17,
    ],
)
def test_template__memory_and_time_stay_flat(source: str):
    values = {**VALUES, "big": "가" * (MOST_CHARACTERS - 1)}
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(TemplateFault):
        UserTemplate(source, known=values).render(values)
    took_s, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 2**20
    assert took_s < 5  # tracing makes it several times slower


def test_render__each_render_has_its_own_budget():
    template = UserTemplate("{% for i in range(50000) %}x{% endfor %}", known=())
    assert {len(template.render({})) for _ in range(5)} == {50000}
