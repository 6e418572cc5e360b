"""Templates of the package, filled in a sandbox; data is never a template."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import BytecodeCache, PackageLoader, StrictUndefined, pass_context
from jinja2.bccache import Bucket
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from lm_eval_so.core.templates import safe
from lm_eval_so.core.templates.safe import Safe


def fill_markdown(
    package: str, template: str, values: Mapping[str, object], *, redact: Callable[[str], str]
) -> str:
    """Fill a Markdown template.

    The filters are the functions of `safe`, each of which removes secrets first. A value without such
    a filter becomes a code span.

    Args:
        package: Package with a folder `templates`.
        template: File in it.
        values: Values by the names that the template uses.
        redact: Takes secrets out of a text.

    Raises:
        jinja2.UndefinedError: If the template names what `values` does not have.
    """
    environment = _environment(
        package,
        lambda value: value if isinstance(value, Safe) else _escape(value, redact),
        is_html=False,
    )
    texts = (safe.cut, safe.fit, safe.inline, safe.name, safe.prose, safe.quote, safe.summary)
    for step in (safe.block, safe.cell, *texts):
        environment.filters[step.__name__] = _redacting(step, redact)
    environment.filters["link"] = safe.link
    return environment.get_template(template).render(values)


def fill_html(
    package: str,
    template: str,
    values: Mapping[str, object],
    *,
    trusted: Mapping[str, str],
    redact: Callable[[str], str],
) -> str:
    """Fill an HTML template.

    Every text is redacted, normalised and escaped, whatever the template does.

    Args:
        package: Package with a folder `templates`.
        template: File in it.
        values: Values by the names that the template uses.
        trusted: Texts of ours that go in as they are: styles, scripts, escaped JSON.
        redact: Takes secrets out of a text.

    Raises:
        jinja2.UndefinedError: If the template names what is in neither.
    """
    environment = _environment(package, lambda value: _shown(value, redact), is_html=True)
    environment.filters["cut"] = _redacting(safe.cut, redact)
    given = {**values, **{name: Markup(text) for name, text in trusted.items()}}  # noqa: S704 - ours
    return environment.get_template(template).render(given)


@cache
def asset(package: str, name: str) -> str:
    """Return the text of a style or script that stands beside the templates of a package."""
    return files(package).joinpath("templates", name).read_text("utf-8")


def content_policy(style: str, script: str) -> str:
    """Return the policy of a page that runs this style and this script, and asks nothing of the network.

    Source: Content Security Policy Level 3, https://www.w3.org/TR/CSP3/
    """

    def source(text: str) -> str:
        return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {source(style)}; script-src {source(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def json_in_page(value: object) -> str:
    """Return JSON as it may stand in a script element: no text in it ends the element."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


class _Compiled(BytecodeCache):
    """Compiled templates of this process: a run fills three reports from the same ones."""

    def __init__(self) -> None:
        self._code_by_key: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        code = self._code_by_key.get(bucket.key)
        if code is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code_by_key[bucket.key] = bucket.bytecode_to_string()


@cache
def _compiled(*, is_html: bool) -> _Compiled:  # noqa: ARG001 - escaping is compiled in
    return _Compiled()


def _environment(
    package: str, finalize: Callable[[object], object], *, is_html: bool
) -> ImmutableSandboxedEnvironment:
    @pass_context
    def finalize_late(_: Context, value: object) -> object:
        return finalize(value)

    # With a context, and not optimized, no constant passes the functions of one call while a
    # template is compiled, and so none is seen by the next call.
    return ImmutableSandboxedEnvironment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        autoescape=is_html,
        finalize=finalize_late,
        optimized=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        bytecode_cache=_compiled(is_html=is_html),
    )


def _shown(value: object, redact: Callable[[str], str]) -> object:
    if value is None:
        raise TypeError("a template shows None")
    if isinstance(value, Markup | int | float):
        return value
    return safe.normalise(redact(str(value)))


def _redacting(step: Callable[..., str], redact: Callable[[str], str]) -> Callable[..., str]:
    def escape(value: object, *options: Any, **named: Any) -> str:
        if not isinstance(value, str):
            raise TypeError(f"a template gives {type(value).__name__} to {step.__name__}")
        return step(redact(value), *options, **named)

    return escape


def _escape(value: object, redact: Callable[[str], str]) -> Safe:
    if value is None:
        raise TypeError("a template shows None")
    if isinstance(value, int):
        return Safe(value)
    return safe.inline(redact(str(value)))
