"""Sessions that requests of their own open, before the question is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from lm_eval_so.core.backends.faults import answered_error, http_error, tells_error
from lm_eval_so.core.backends.http.address import Step, Tell
from lm_eval_so.core.backends.http.options import HttpOptions, SessionSection
from lm_eval_so.core.backends.http.reading.mapping import has_told, header_values
from lm_eval_so.core.backends.http.reading.paths import Path, compile_path
from lm_eval_so.core.backends.http.reading.readers import bad_response, json_of
from lm_eval_so.core.backends.http.template import HeaderTemplates, RequestTemplate, probe
from lm_eval_so.core.backends.shared_options import Wire
from lm_eval_so.core.http.client import HttpAnswer
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.secrets import Redactor, make_redactor, sent_secrets
from lm_eval_so.errors import Problem, Where


class Opening:
    """One request that opens a session, or takes a step towards that.

    Attributes:
        key: Key of its options.
        template: The request.
        problems: Problems of its paths.
    """

    def __init__(self, key: str, section: SessionSection, headers: HeaderTemplates) -> None:
        self.key = key
        self.template = RequestTemplate(section, headers, at=key)
        self.problems: list[Problem] = []
        self.url = section.url
        self.taken = (*section.take, *section.take_headers)
        """Names of the values that it gives."""
        self._section = section
        self._paths = dict(self._compiled())

    def _compiled(self) -> Iterator[tuple[str, Path]]:
        for name, path in self._section.take.items():
            try:
                yield name, compile_path(path)
            except ValueError as error:
                where = Where(key=f"{self.key}.take.{name}")
                self.problems.append(Problem(what=str(error), where=where))

    def read(self, answer: HttpAnswer) -> dict[str, Any]:
        """Return the values that its response gives to the session.

        Raises:
            BackendError: If its status is not 2xx (or 3xx, where only headers are taken), or something
                is not there.
        """
        # a login form answers with a redirect
        most = 300 if self._paths or not self._section.take_headers else 400
        if not 200 <= answer.status < most:
            option = f"{self.key.removeprefix('options.')}.url"
            raise http_error(answer.status, answer.headers, answer.body, option=option)
        found: dict[str, Any] = header_values(self._section.take_headers, answer.headers)
        for name in self._section.take_headers.keys() - found.keys():
            key = f"take_headers.{name}"
            what = f'{key}: the response has no header "{self._section.take_headers[name]}"'
            raise bad_response(what, f"{self.key}.{key}")
        values = json_of(answer.headers, answer.body) if self._paths else None
        for name, find in self._paths.items():
            found[name] = find(values)
            if found[name] is None:
                if isinstance(values, Mapping) and tells_error(values):
                    raise answered_error(answer.status, answer.headers, values)
                path = self._section.take[name]
                what = f'take.{name} "{path}" found nothing; the response {has_told(values)}'
                raise bad_response(what, f"{self.key}.take.{name}", sent=values)
        return found


class Openings:
    """The requests that open a session, one after another.

    Attributes:
        problems: Problems of their templates and paths.
        names: The names that their templates use.
    """

    def __init__(self, options: HttpOptions, headers: HeaderTemplates) -> None:
        self._steps = [Opening(key, each, headers) for key, each in options.openings]
        self.names = frozenset(n for each in self._steps for n in each.template.all_names)
        self.problems = [
            problem for each in self._steps for problem in (*each.template.problems, *each.problems)
        ]

    def __bool__(self) -> bool:
        return bool(self._steps)

    def probe(self, *, params: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[Problem]:
        """Find mistakes on which the requests would fail."""
        taken: list[str] = []
        for step in self._steps:
            yield from probe(step.template, params=params, env=env, taken=taken)
            taken += step.taken

    async def open(
        self, wire: Wire, values: Mapping[str, Any], taken: dict[str, Any], told: Tell
    ) -> None:
        """Open a session.

        Args:
            wire: Way to the endpoint.
            values: Values of the names that the templates use, and `session`.
            taken: Mapping that gets the values that later requests need.
            told: Puts the error of a step into words.

        Raises:
            BackendError: If it cannot be opened; the chatbot has not heard the question then.
        """
        for number, step in enumerate(self._steps, start=1):
            nth = f" (request {number} of {len(self._steps)})" if len(self._steps) > 1 else ""
            what = f"the session could not be opened{nth}"
            with told(Step(told=what, option=f"{step.key}.url", url=step.url, is_heard=False)):
                session = {**values["session"], **taken}
                asked = step.template.fill({**values, "session": session})
                taken.update(step.read(await wire.send(asked)))


def redactor_of(taken: Mapping[str, Any]) -> Redactor:
    """Return what takes the credentials among the values of a session out of texts."""
    sent = [
        found
        for name, value in taken.items()
        if isinstance(value, str)
        for found in sent_secrets(name, value, {}, label=f"session.{name}")
    ]
    return make_redactor({}, sent=sent)


def without_secrets(response: ChatResponse, taken: Mapping[str, Any]) -> ChatResponse:
    """Return a response without the credentials of its session, which the chatbot may quote."""
    redactor = redactor_of(taken)
    if not redactor.values:
        return response
    clean = redactor.redact_json
    calls = tuple(replace(each, arguments=clean(each.arguments)) for each in response.tool_calls)
    return replace(
        response,
        text=clean(response.text),
        tool_calls=calls,
        refusal=clean(response.refusal),
        reasoning=clean(response.reasoning),
        context=tuple(clean(response.context)),
        raw=clean(response.raw),
    )
