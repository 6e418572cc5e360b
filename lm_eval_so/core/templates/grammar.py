"""Grammar of user templates: a list of allowed syntax, checked before a template is compiled."""

import math
from collections.abc import Iterable

from jinja2 import Environment, meta, nodes
from jinja2.visitor import NodeTransformer

from lm_eval_so.errors import nearest

CALLED = ("get", "items", "keys", "values", "strip", "startswith", "endswith", "lower", "upper")
"""Methods of texts and mappings that may be called."""
RANGE, STEPS, JOIN, LOOK = "~range", "~steps", "~join", "~look"
"""Filters that no source can name in an expression; see `bound_tree`."""
_FORMATS = frozenset({"format", "format_map"})
_LITERALS = (nodes.List, nodes.Tuple, nodes.Dict)
_CONSTANTS = (*_LITERALS, nodes.Pair, nodes.Const, nodes.Neg)
_ALLOWED = (
    *(*_CONSTANTS, nodes.Output, nodes.TemplateData, nodes.Name, nodes.If, nodes.For, nodes.Assign),
    *(nodes.Filter, nodes.Test, nodes.Keyword, nodes.CondExpr, nodes.Compare, nodes.Operand),
    *(nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Call, nodes.Concat),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Pos),
)


class TemplateFault(Exception):  # noqa: N818 - what is wrong, told to the owner of the template
    """Fault of a template or of its values; `line` counts from 1."""

    def __init__(self, what: str, *, line: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.line = line


def check_tree(tree: nodes.Template, *, filters: Iterable[str], tests: Iterable[str]) -> None:
    """Check every part of a template against the allowed syntax.

    Raises:
        TemplateFault: If a part is not allowed.
    """
    filters, tests = sorted(filters), sorted(tests)
    for node in tree.find_all(nodes.Node):
        what = _fault_of(node, filters, tests)
        if what is not None:
            raise TemplateFault(what, line=node.lineno)


def bound_tree(tree: nodes.Template, environment: Environment) -> nodes.Template:
    """Return the template with expensive operations as filters that count against a budget.

    These are `~`, `range`, iterables of loops, and texts that are compared or sliced.
    """
    bounded: nodes.Template = _Bounding(environment).visit(tree)
    return bounded


def used_names(tree: nodes.Template, known: Iterable[str]) -> frozenset[str]:
    """Return the names that a template takes from its values.

    Raises:
        TemplateFault: If a name is unknown.
    """
    known = sorted(known)
    used = frozenset(meta.find_undeclared_variables(tree))
    for node in tree.find_all(nodes.Name):
        if node.name in used and node.name not in known:
            close = nearest(node.name, known)
            what = f'there is no "{node.name}"'
            what += f' (did you mean "{close}"?)' if close else f"; known: {', '.join(known)}"
            raise TemplateFault(what, line=node.lineno)
    return used


def lone_expression(tree: nodes.Template) -> nodes.Expr | None:
    """Return the expression of a template that consists of it alone; None otherwise."""
    match tree.body:
        case [nodes.Output(nodes=[expression])] if not isinstance(expression, nodes.TemplateData):
            return expression
    return None


def plain_path(expression: nodes.Expr) -> tuple[str, ...] | None:
    """Return the keys of an expression that is a plain path, as `session.id`; None otherwise."""
    match expression:
        case nodes.Name(name=name):
            return (name,)
        case (
            nodes.Getattr(node=inner, attr=key)
            | nodes.Getitem(node=inner, arg=nodes.Const(value=str(key)))
        ):
            path = plain_path(inner)
            return None if path is None else (*path, key)
        case _:
            return None


def _fault_of(node: nodes.Node, filters: list[str], tests: list[str]) -> str | None:
    what = None
    match node:
        case nodes.Filter() if node.name not in filters:
            what = _unknown("filter", node.name or "", filters)
        case nodes.Test() if node.name not in tests:
            what = _unknown("test", node.name, tests)
        case nodes.Getattr() if _is_private(node.attr):
            what = f'"{node.attr}" is out of bounds'
        case nodes.Getitem(arg=nodes.Const(value=str(name))) if _is_private(name):
            what = f'"{name}" is out of bounds'
        case nodes.Call() if not _may_be_called(node):
            methods = ", ".join(f".{name}()" for name in CALLED)
            what = f"only range() and {methods} can be called; other things are filters: x | lower"
        case nodes.List() | nodes.Tuple() | nodes.Dict() if not _is_constant(node):
            what = "a list or mapping in a template is of constants; write the JSON around it"
        case nodes.Name(name="self"):
            what = 'there is no "self"'
        case nodes.Const() if isinstance(node.value, float) and not math.isfinite(node.value):
            what = "a number is too large"
        case nodes.For(recursive=True):
            what = "loops are not recursive"
        case _ if not isinstance(node, _ALLOWED):
            what = f'"{type(node).__name__.lower()}" is not allowed here'
        case _:
            pass
    return what


def _unknown(kind: str, name: str, known: list[str]) -> str:
    names = [each for each in known if each.isalpha()]
    close = nearest(name, names)
    return f'there is no {kind} "{name}"' + (
        f' (did you mean "{close}"?)' if close else f"; there is {', '.join(names)}"
    )


def _is_private(name: str) -> bool:
    return name.startswith("_") or name in _FORMATS


def _may_be_called(node: nodes.Call) -> bool:
    if node.dyn_args is not None or node.dyn_kwargs is not None or node.kwargs:
        return False
    if isinstance(node.node, nodes.Name):
        return node.node.name == "range" and 1 <= len(node.args) <= 3
    return isinstance(node.node, nodes.Getattr) and node.node.attr in CALLED


def _is_constant(node: nodes.Node) -> bool:
    """Return whether a literal holds constants only, so that it cannot double itself."""
    if isinstance(node, nodes.Tuple) and node.ctx == "store":
        return True  # the target of a loop: {% for key, value in … %}
    return isinstance(node, _CONSTANTS) and all(map(_is_constant, node.iter_child_nodes()))


class _Bounding(NodeTransformer):
    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - the visitor's way
        self.generic_visit(node)
        return self._filter(nodes.List(node.nodes, lineno=node.lineno), JOIN)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - the visitor's way
        self.generic_visit(node)
        node.iter = self._filter(node.iter, STEPS)
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802 - the visitor's way
        self.generic_visit(node)
        node.expr = self._filter(node.expr, LOOK)
        for operand in node.ops:
            operand.expr = self._filter(operand.expr, LOOK)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802 - the visitor's way
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = self._filter(node.node, LOOK)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - the visitor's way
        self.generic_visit(node)
        if isinstance(node.node, nodes.Name):
            return self._filter(node.args[0], RANGE, *node.args[1:])
        return node

    def _filter(self, node: nodes.Node, name: str, *arguments: nodes.Node) -> nodes.Filter:
        where = {"lineno": node.lineno, "environment": self._environment}
        return nodes.Filter(node, name, list(arguments), [], None, None, **where)
