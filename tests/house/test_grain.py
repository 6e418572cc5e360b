"""How fine the package is cut: deep modules with few neighbours, short signatures, small records."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp

PACKAGE = Path(__file__).parents[2] / "lm_eval_so"
NAME = PACKAGE.name
MOST_IMPORTS = 12
MOST_IMPORTS_WHERE_STAGES_MEET = 16
STAGES_MEET = ("lm_eval_so.pipeline", "lm_eval_so.api")
TABLE_OF_COMMANDS = "lm_eval_so.cli.app"
MOST_ROWS = 20
MOST_FIELDS = 14
MOST_PARAMETERS = 5
MOST_LONG_SIGNATURES = 10
"""Of the Python API, whose arguments are those of the commands, and of an error that plugins raise."""
FEWEST_LINES = 60
"""Of a module with one importer; a shorter one belongs into that."""
MOST_SERVING_ONE = 1 / 6
"""Of all modules; commands and plugins serve the table that names them."""
MOST_NAMES_TWICE = 15
FLAT_ON_PURPOSE = {"Answer", "Reply"}
"""An answer is the row of a run, a file format; a reply is what tests of plugins write by keyword."""
PLUGINS = (
    "cli",
    "runner.cli",
    "core.backends",
    "core.records",
    "evaluator.foreign.tools",
    "evaluator.metrics",
    "generator.documents",
    "generator.sources",
    "testing",
)
"""Where a file of its own is right, however short: commands, backends, records, metrics, readers, and
what users import."""


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(NAME, exclude_type_checking_imports=True, cache_dir=None)


def file_of(module: str) -> Path:
    path = PACKAGE.parent / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def modules() -> list[str]:
    """Names of all modules; found in a test, since each worker collects all tests."""
    return sorted(m for m in graph().modules if file_of(m).name != "__init__.py")


@cache
def source(module: str) -> str:
    return file_of(module).read_text(encoding="utf-8")


@cache
def nodes(module: str) -> list[ast.AST]:
    """Functions and classes of a module, inner ones too."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node for node in ast.walk(ast.parse(source(module))) if isinstance(node, kinds)]


def most_imports(module: str) -> int:
    if module == TABLE_OF_COMMANDS:
        return MOST_ROWS
    return MOST_IMPORTS_WHERE_STAGES_MEET if module.startswith(STAGES_MEET) else MOST_IMPORTS


def test_module__knows_few_others() -> None:
    known = {m: sorted(graph().find_modules_directly_imported_by(m)) for m in modules()}
    assert len(known) > 100
    found = [
        f"{m}: {', '.join(names)}" for m, names in known.items() if len(names) > most_imports(m)
    ]
    assert not found, "\n".join(found)


def is_command(module: str) -> bool:
    return module.startswith((f"{NAME}.cli.", f"{NAME}.runner.cli"))


def importers(module: str) -> set[str]:
    return graph().find_modules_that_directly_import(module)


def is_plugin(module: str) -> bool:
    return module.startswith(tuple(f"{NAME}.{kind}" for kind in PLUGINS))


def test_short_modules__stand_alone_for_several_others_only() -> None:
    short = [m for m in modules() if source(m).count("\n") < FEWEST_LINES]
    assert not [m for m in short if len(importers(m)) == 1 and not is_plugin(m)]


def test_most_modules__serve_more_than_one_other() -> None:
    is_listed = {m for m in modules() if is_command(m) or is_plugin(m)}
    alone = [m for m in modules() if len(importers(m)) == 1 and m not in is_listed]
    assert len(alone) <= MOST_SERVING_ONE * len(modules()), "\n".join(alone)


def test_names_of_files__are_mostly_unique() -> None:
    names = Counter(m.rpartition(".")[2] for m in modules() if not is_command(m))
    twice = [name for name, n in names.items() if n > 1]
    assert len(twice) <= MOST_NAMES_TWICE, "\n".join(twice)


def functions(module: str) -> Iterator[tuple[str, int]]:
    for node in nodes(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            yield node.name, len([each for each in names if each.arg not in {"self", "cls"}])


def test_functions__take_few_parameters() -> None:
    found = [
        f"{module}.{name}: {n}"
        for module in modules()
        if not is_command(module)
        for name, n in functions(module)
        if n > MOST_PARAMETERS
    ]
    assert len(found) <= MOST_LONG_SIGNATURES, "\n".join(found)


def dataclasses(module: str) -> Iterator[tuple[str, int]]:
    for node in nodes(module):
        if isinstance(node, ast.ClassDef) and "dataclass" in "".join(
            ast.unparse(each) for each in node.decorator_list
        ):
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
            own = [each for each in fields if "ClassVar" not in ast.unparse(each.annotation)]
            yield node.name, len(own)


def test_records__that_are_no_file_format_are_small() -> None:
    found = [
        f"{module}.{name}: {n}"
        for module in modules()
        if ".core.records" not in module
        for name, n in dataclasses(module)
        if n > MOST_FIELDS and name not in FLAT_ON_PURPOSE
    ]
    assert not found, "\n".join(found)
