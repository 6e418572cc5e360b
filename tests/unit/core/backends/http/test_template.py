from pathlib import Path

import pytest
from servers.own_endpoints import SSE, found, make

from lm_eval_so.core.backends.build import build_backend
from lm_eval_so.core.config.load import load_config
from lm_eval_so.errors import ConfigError, ExitCode, Problem

CONFIG = """\
version: 1
suite: shop
dataset: {path: data}
backend:
  name: http
  options:
    url: "https://bot.example.com/chat"
    body:
      question:
        text: "{{ BODY }}"
    response: {text: answer}
"""


def only(**options: object) -> Problem:
    problems = found(**options)
    assert len(problems) == 1, problems
    return problems[0]


@pytest.mark.parametrize("source", ["''.__class__", "'a'*10**9", "'a'|center(10**9)", "'%9d' % 1"])
def test_build__hostile_template_is_bad_input_with_its_place(tmp_path: Path, source: str):
    path = tmp_path / "lm-eval-so.yaml"
    path.write_text(CONFIG.replace("BODY", source), encoding="utf-8")
    config = load_config(path)
    assert config.backend is not None
    with pytest.raises(ConfigError) as failed:
        build_backend(config.backend, config=config, where_path=("backend",), environ={})
    assert failed.value.exit_code is ExitCode.BAD_INPUT
    where = failed.value.problems[0].where
    assert where is not None
    assert (where.line, where.key) == (10, "backend.options.body.question.text")


def test_check__the_design_example_is_fine():
    body = """
      {"message": {{ last_user | tojson }}, "history": {{ history | tojson }},
       "sessionId": {{ session.remote | default(session.id) | tojson }}}"""
    response = {"text": '"답변"."텍스트" || answer', "session": {"remote": "sessionId"}}
    assert found(body=body, response=response, params={"channel": "web"}) == []


def test_check__a_template_that_breaks_with_quotes():
    problem = only(body='{"message": "{{ last_user }}"}')
    assert "does not come to JSON if a text has quotes or line ends in it" in problem.what
    assert "| tojson" in (problem.hint or "")
    problem = only(body='{"uid": {{ sample.metadata.uid }}}')
    assert "does not come to JSON" in problem.what
    assert "does not come to JSON: " in only(body='{"a": }').what


def test_check__what_a_sample_has_is_not_known_yet():
    assert found(body={"a": "{{ sample.metadata.user.id + 1 }}"}) == []
    assert found(body='{"a": {{ sample.metadata.user.id | tojson }}}') == []


def test_check__names_and_parameters():
    assert 'did you mean "last_user"' in only(body="{{ last_usr | tojson }}").what
    assert only(body={"a": "{{ params.chanel }}"}, params={"channel": "web"}).what == (
        'there is no "chanel", only channel'
    )
    problem = only(
        body={"a": ["{{ session.remote }}"]}, response={"text": "a", "session": {"remote": "b"}}
    )
    assert problem.where is not None
    assert problem.where.key == "options.body.a.0"
    assert "from the second turn on" in (problem.hint or "")


def test_check__env_must_be_listed_and_set():
    assert only(env=["SHOP"], body="1").what == "SHOP is not set"
    problem = only(env=["SHOP"], environ={"SHOP": "x"}, body={"a": "{{ env.TOKEN }}"})
    assert problem.what == 'there is no "TOKEN", only SHOP'


@pytest.mark.parametrize(
    "url",
    ["ftp://x/", "bot.example.com", "https://", "https://x:99999/", "https://[::1/", "http://x/\n"],
)
def test_check__no_address(url: str):
    assert "is no address" in only(url=url).what


def test_check__a_password_in_the_address_is_not_shown():
    problem = only(url="ftp://u:geheimnis@bot.example.com/?key=geheimnis")
    assert problem.what == '"ftp://bot.example.com/" is no address'
    assert problem.where is not None
    assert problem.where.key == "options.url"


@pytest.mark.parametrize("url", ["https://{{ env.HOST }}/", "https://{{ last_user }}.example.com/"])
def test_check__the_host_is_fixed(url: str):
    assert only(url=url, env=["HOST"], environ={"HOST": "x"}).what == (
        "the host of options.url cannot come from a template"
    )


def test_check__paths():
    problem = only(response={"text": "답변.텍스트"})
    assert problem.what == (
        'keys with - or letters other than a-z are quoted; write \'"답변"."텍스트"\''
    )
    assert problem.where is not None
    assert problem.where.key == "options.response.text"
    assert only(response={"text": "a..b"}).what.startswith("no JMESPath: ")
    assert only(response={"text": "a"}, status={"refused": "a =="}).where.key == (
        "options.status.refused"
    )
    assert "where the answer stands" in only(response={}).what
    assert "no encoding" in only(response={"text": "a", "encoding": "cp94"}).what


def test_check__streams():
    assert found(stream=SSE, response={}) == []
    assert "how the stream is read" in only(stream=True).what
    assert "how the stream ends" in only(stream={"delta": "x"}).what
    assert found(stream={"delta": "x"}, response={"finish_reason": "y"}) == []
    assert "new piece" in only(stream={"done": "x"}).what
    assert found(stream={"format": "text"}, response={}) == []
    assert found(stream=False) == found(stream="auto") == []


def test_check__stateful_needs_the_session():
    assert "needs a template that sends session.id" in only(history="stateful").what


def test_check__headers_and_bodies():
    assert only(headers={"X-A": "a\r\nX-B: c"}).where.key == "options.headers.X-A"
    assert "of constants" in only(headers={"X-A": "{{ [last_user] }}"}).what
    assert found(headers={"X-A": "{{ last_user | urlencode }}"}) == []
    assert "body is a text" in only(content_type="text", body={"a": 1}).what
    assert "a form is" in only(content_type="form", body=[1]).what
    assert "only values" in only(body={"{{ last_user }}": 1}).what
    assert found(content_type="form", body={"a": "{{ last_user }}", "b": [1, None]}) == []


def test_check__an_unknown_option_is_refused():
    with pytest.raises(ValueError, match="extra"):
        make("http://127.0.0.1:1/", boddy="x")
