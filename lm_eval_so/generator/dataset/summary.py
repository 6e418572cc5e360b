"""The last screen of `generate`: where the tests come from, what is missing, what to look at first."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

from lm_eval_so.core.dataset import SAMPLES_FILE, load_dataset
from lm_eval_so.core.events import Concluded
from lm_eval_so.core.records.dataset import DatasetInfo, PlanInfo
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.text import in_columns
from lm_eval_so.core.words import say
from lm_eval_so.generator.writing.write import FACT, KEYLESS, NO_MODEL

_MOST_FILES = 6


def summary(
    info: DatasetInfo, folder: Path, language: Language, *, shown_as: str, pages: tuple[Path, ...]
) -> Concluded | None:
    """Return what became of a dataset, for people; None if no tests were to be written.

    Args:
        info: Metadata of the dataset.
        folder: Folder of the dataset.
        language: Language of the lines.
        shown_as: The folder as the user names it.
        pages: Pages of the review.
    """
    if info.plan is None:
        return None
    rows = [(say(f"summary.{code}", language), text) for code, text in _rows(info, language)]
    tests = info.files[SAMPLES_FILE].rows
    samples = load_dataset(folder) if tests else ()
    open_ = [each for each in samples if each.review and each.review.status == "unreviewed"]
    if doubtful := sum(any(flag != KEYLESS for flag in each.flags) for each in open_):
        codes = (flag.partition(":")[0] for each in open_ for flag in each.flags)
        flags = dict(sorted(Counter(code for code in codes if code != KEYLESS).items()))
        rows.append((say("summary.look", language), _counted(doubtful, flags, language)))
    if pages:
        page = (PurePath(shown_as) / pages[0].name).as_posix()
        next_ = say("summary.review", language, {"page": page})
        rows.append((say("summary.next", language), next_))
    return Concluded(
        stage="generate",
        headline=say("summary.tests", language, {"folder": shown_as, "n": f"{tests:,}"}),
        lines=tuple(in_columns(rows, indent=2)),
    )


def _rows(info: DatasetInfo, language: Language) -> Iterator[tuple[str, str]]:
    """Yield the code of a label and the text beside it."""
    kept: Counter[str] = Counter()
    for each in info.sources:
        kept[PurePath(each.file).stem] += each.kept
    named = [(name, n) for name, n in kept.items() if n]
    if named:
        shown = dict(named[:_MOST_FILES]) | ({"…": 0} if len(named) > _MOST_FILES else {})
        yield "from_sources", _counted(kept.total(), shown, language)
    if info.plan is not None and info.plan.wanted:
        yield "written", _written(info.plan, language)
        yield from (("blank", text) for text in _missing(info.plan, language))
    if info.tries:
        thrown = {"n": sum(info.tries.values()), "reasons": _listed(info.tries)}
        yield "blank", say("summary.thrown_away", language, thrown)
    if info.twins:
        yield "twins", _counted(sum(info.twins.values()), info.twins, language)


def _written(plan: PlanInfo, language: Language) -> str:
    """Return `15 of 30: fact 15`."""
    figures = {"n": sum(plan.written.values()), "wanted": sum(plan.wanted.values())}
    text = say("summary.of", language, figures)
    return f"{text}: {_listed(plan.written)}" if plan.written else text


def _missing(plan: PlanInfo, language: Language) -> Iterator[str]:
    """Yield why tests are missing: those that need a model by type, the others by reason."""
    others = {reason: n for reason, n in plan.unfilled.items() if reason != NO_MODEL}
    if without := plan.unfilled.get(NO_MODEL, 0):
        left = Counter({type_: n for type_, n in plan.wanted.items() if type_ != FACT})
        left.subtract({type_: plan.written.get(type_, 0) for type_ in left})
        types = _listed(+left)
        yield say("summary.need_model", language, {"n": without, "types": types})
    if others:
        figures = {"n": sum(others.values()), "reasons": _listed(others)}
        yield say("summary.missing", language, figures)


def _counted(n: int, parts: Mapping[str, int], language: Language) -> str:
    return f"{say('summary.count', language, {'n': f'{n:,}'})} ({_listed(parts)})"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" if n else name for name, n in counts.items())
