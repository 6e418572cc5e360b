"""User templates, rendered in a bounded sandbox.

Jinja's sandbox stops attributes, but lets `'a' * 10**9`, `|center(10**9)` and `'%9d' % 1` fill the
memory. So only listed syntax is allowed, operators take numbers, lists can be passed on but not
built, and every loop and text counts against a budget.
"""

import html
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from jinja2 import StrictUndefined, Template, nodes
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lm_eval_so.core.templates.grammar import (
    CALLED,
    JOIN,
    LOOK,
    RANGE,
    STEPS,
    TemplateFault,
    bound_tree,
    check_tree,
    lone_expression,
    plain_path,
    used_names,
)

__all__ = ["MOST_CHARACTERS", "TemplateFault", "UserTemplate", "to_json"]

MOST_CHARACTERS = 2**20
"""Limit of characters of a rendered template, and of any text on the way."""
_LARGEST = 2**53
"""Integers above are not exact in JSON's usual readers."""
_MOST_SOURCE = 2**16
_MOST_WORK = 2**25
"""Budget of a render: a character made or looked at costs 1, an item `_ITEM`, a step `_STEP`."""
_STEP, _ITEM = 256, 16
_LARGEST_POWER = 53
_FILTERS = (
    *("default", "d", "first", "last", "map"),
    *("select", "reject", "selectattr", "rejectattr"),
)
_NUMBERS = ("int", "float")
_TESTS = (
    *("defined", "undefined", "none", "string", "number", "boolean", "mapping", "sequence"),
    *("true", "false", "in", "eq", "equalto", "==", "ne", "!="),
    *("gt", ">", "ge", ">=", "lt", "<", "le", "<="),
)

Change = Callable[[str], str]
to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
r"""Write JSON without \u escapes."""


class UserTemplate:
    """A template, checked and compiled.

    Args:
        source: The template.
        known: Names that the template may use.
        escape: Function applied to the text of each expression, as for a URL.
        keeps_type: Whether a template that is one expression alone gives the value itself, so
            that a list stays a list.

    Raises:
        TemplateFault: If the source is no template, or uses unknown names or forbidden syntax.
    """

    def __init__(
        self,
        source: str,
        *,
        known: Iterable[str],
        escape: Change | None = None,
        keeps_type: bool = False,
    ) -> None:
        if len(source) > _MOST_SOURCE:
            raise TemplateFault(f"a template has at most {_MOST_SOURCE:,} characters")
        self._sandbox = sandbox = _Sandbox(escape)
        try:
            tree = sandbox.parse(source)
            check_tree(tree, filters=sandbox.filters, tests=_TESTS)
            tree = bound_tree(tree, sandbox)
            self.names = used_names(tree, known)
            """Names used by the template."""
            alone = lone_expression(tree) if keeps_type else None
            self._keeps_type = alone is not None
            self._path = plain_path(alone) if alone is not None else None
            if alone is not None:
                kept = nodes.Assign(nodes.Name("result", "store", lineno=1), alone, lineno=1)
                tree = nodes.Template([kept], lineno=1)
            self._template: Template = sandbox.from_string(tree)
        except TemplateFault:
            raise
        except Exception as error:  # noqa: BLE001 - a hostile source may break the parser anyhow
            raise _fault_of(error, None) from None

    def render(self, values: Mapping[str, Any]) -> Any:
        """Render the template.

        Args:
            values: JSON values by name.

        Returns:
            A text; with `keeps_type` and an expression alone, a JSON value.

        Raises:
            TemplateFault: If a value is missing, of the wrong kind or too large.
        """
        if self._path is not None:
            found = _walk(self._path, values)
            if found is not None:
                return _value_of(found)  # as most are; what is not there is told by Jinja
        template = self._template
        self._sandbox.work_left = _MOST_WORK
        context = template.new_context(values, shared=True)  # type: ignore[arg-type]
        try:
            if not self._keeps_type:
                return _joined(template.root_render_func(context))
            for _ in template.root_render_func(context):
                pass
            return _value_of(context.vars["result"])
        except Exception as error:  # noqa: BLE001 - operators meet values of every kind
            raise _fault_of(error, template) from None


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja environment of one template, with safe filters, tests and operators only."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, escape: Change | None) -> None:
        finalize = self._counted if escape is None else lambda v: escape(self._counted(v))
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=finalize)
        self.work_left = _MOST_WORK
        self.globals.clear()
        self.tests = {name: self._looking(self.tests[name]) for name in _TESTS}
        kept = {name: self.filters[name] for name in _FILTERS}
        numbers = {name: self._looking(self.filters[name]) for name in _NUMBERS}
        self.filters = {**kept, **numbers, **self._own_filters()}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up keys first: `params.items` is the parameter of that name, not a method."""
        if isinstance(obj, dict):
            if attribute in obj:
                return obj[attribute]
            if attribute not in CALLED:
                known = ", ".join(map(str, obj)) or "nothing"
                return self.undefined(f'there is no "{attribute}", only {known}', name=attribute)
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow the attributes of `loop`, and the callable methods."""
        is_safe = super().is_safe_attribute(obj, attr, value)
        return is_safe and (isinstance(obj, LoopContext) or attr in CALLED)

    def call(self, context: Context, method: Any, *arguments: Any, **named: Any) -> Any:
        """Call a method of a text or a mapping."""
        self._look(getattr(method, "__self__", None))
        return super().call(context, method, *arguments, **named)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate with numbers, and put texts together by +."""
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return super().call_binop(context, operator, left, right)  # raises, and says which
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return self._join((left, right))
        for number in (left, right):
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise TemplateFault(f'"{operator}" takes numbers, not {_kind_of(number)}')
            _within(number)
        if operator == "**" and abs(right) > _LARGEST_POWER:
            raise TemplateFault(f"powers go up to {_LARGEST_POWER}")
        return _within(super().call_binop(context, operator, left, right))

    def _own_filters(self) -> dict[str, Callable[..., Any]]:
        def on_text(change: Change) -> Callable[[Any], str]:
            return lambda value: self._counted(change(_text_of(value)))

        return {
            "tojson": lambda value: self._counted(to_json(_value_of(value))),
            "lower": on_text(str.lower),
            "upper": on_text(str.upper),
            "trim": on_text(str.strip),
            "string": on_text(str),
            "escape": on_text(html.escape),
            "urlencode": on_text(lambda text: quote(text, safe="")),
            "replace": self._replace,
            "join": self._join,
            "length": len,
            "list": lambda values: list(self._steps(values, cost=_ITEM)),
            "items": lambda values: list(self._steps(values.items(), cost=_ITEM)),
            RANGE: self._range,
            STEPS: self._steps,
            JOIN: self._join,
            LOOK: self._look,
        }

    def _spend(self, work: int) -> None:
        self.work_left -= work
        if self.work_left < 0:
            raise TemplateFault("it makes too much of loops and texts")

    def _counted(self, value: Any) -> str:
        text = _text_of(value)
        _check_size(len(text))
        self._spend(len(text))
        return text

    def _look(self, value: Any) -> Any:
        """Return a value after charging its length, since it is read to the end."""
        if isinstance(value, str | list | dict):
            self._spend(len(value))
        return value

    def _looking(self, ask: Any) -> Callable[..., Any]:
        return lambda *values, **named: ask(*map(self._look, values), **named)

    def _replace(self, value: Any, old: Any, new: Any) -> str:
        text, old, new = _text_of(value), _text_of(old), _text_of(new)
        self._spend(len(text))
        _check_size(len(text) + text.count(old) * (len(new) - len(old)))
        return self._counted(text.replace(old, new))

    def _join(self, values: Iterable[Any], between: Any = "") -> str:
        parts, between = [], _text_of(between)
        for value in self._steps(values, cost=_ITEM):
            parts.append(_text_of(value))
            self._spend(len(parts[-1]) + len(between))
        return self._counted(between.join(parts))

    def _range(self, *bounds: int) -> range:
        numbers = range(*bounds)
        self._spend(len(numbers) * _STEP)
        return numbers

    def _steps(self, values: Iterable[Any], cost: int = _STEP) -> Iterable[Any]:
        for value in values:
            self._spend(cost)
            yield value


def _check_size(size: int) -> None:
    """Refuse a text that is too long.

    Args:
        size: Number of characters.

    Raises:
        TemplateFault: If there are more than `MOST_CHARACTERS`.
    """
    if size > MOST_CHARACTERS:
        raise TemplateFault(f"a text comes to more than {MOST_CHARACTERS:,} characters")


def _text_of(value: Any) -> str:
    """Return what a template writes of a value.

    Raises:
        TemplateFault: If the value is null, a list or a mapping.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and math.isfinite(value):
        return str(value)
    if isinstance(value, Undefined):
        return str(value)  # raises, and says which
    cure = "default('…', true)" if value is None else "tojson"
    raise TemplateFault(f"{_kind_of(value)} is no text; write it with | {cure}")


def _value_of(value: Any) -> Any:
    """Return the value of an expression as a JSON value.

    Raises:
        TemplateFault: If the value is a method.
    """
    if value is None or isinstance(value, str | int | float | list | dict):
        return value
    if isinstance(value, Undefined):
        return str(value)  # raises, and says which
    if callable(value):
        raise TemplateFault("a method is no value; call it with ()")
    return list(value)


def _kind_of(value: Any) -> str:
    """Name the kind of a value, for error texts."""
    kinds = {bool: "true or false", str: "a text", list: "a list", dict: "a mapping"}
    return "null" if value is None else kinds.get(type(value), "this value")


def _within(number: Any) -> Any:
    """Return a number after a check of its size.

    Raises:
        TemplateFault: If JSON's usual readers do not read it as it is.
    """
    if isinstance(number, complex) or not abs(number) <= _LARGEST:
        raise TemplateFault("numbers go up to 2^53")
    return number


def _walk(path: Iterable[str], values: Any) -> Any:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return None
        values = values[key]
    return values


def _joined(pieces: Iterable[str]) -> str:
    parts, size = [], 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        _check_size(size)
    return "".join(parts)


def _fault_of(error: Exception, template: Template | None) -> TemplateFault:
    if isinstance(error, RecursionError | MemoryError):
        return TemplateFault("it is nested too deeply")
    line = error.lineno if isinstance(error, TemplateSyntaxError) else None
    trace = error.__traceback__
    while trace is not None and template is not None:
        if trace.tb_lineno and trace.tb_frame.f_code.co_filename == "<template>":
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    what = error.message if isinstance(error, TemplateError) else str(error)
    return TemplateFault((what or type(error).__name__).removesuffix("."), line=line)
