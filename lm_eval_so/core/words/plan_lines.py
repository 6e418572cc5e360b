"""The plan of a gate as text: a table, and one line of it."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.enums import Claim, Language, MetricKind
from lm_eval_so.core.records.gate_plan import GatePlan, PlanRow
from lm_eval_so.core.text import width
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import MetricFigures, count, percent, point_unit, usd

_UNKNOWN = "–"
_GAP = "   "


def plan_lines(plan: GatePlan, language: Language) -> list[str]:
    """Return a plan as lines: what it rests on, a table by answers to each sample, what would do.

    Args:
        plan: The plan.
        language: Language of the texts.
    """
    words = _Words(plan, language)
    table = [words.columns(), *(words.cells(row) for row in plan.rows)]
    return [words.head(), *_aligned(table), *words.needed()]


def plan_line(plan: GatePlan, language: Language) -> str:
    """Return the gate as configured in one line."""
    return _Words(plan, language).line()


def plan_fact(plan: GatePlan | None, *, as_json: bool) -> Mapping[str, JsonValue]:
    """Return a plan as a fact of a command: an object, or one line for people if there is a plan."""
    if as_json:
        return {"plan": None if plan is None else to_json(plan)}
    return {} if plan is None else {"plan": plan_line(plan, Language.EN)}


class _Words:
    """Texts of one plan.

    Args:
        plan: The plan.
        language: Language of the texts.
    """

    def __init__(self, plan: GatePlan, language: Language) -> None:
        self._plan = plan
        self._language = language
        self._is_share = plan.kind is MetricKind.BINARY
        self._has_prices = any(row.usd is not None for row in plan.rows)
        self._shown = MetricFigures(
            kind=plan.kind,
            direction=plan.direction,
            is_unit=plan.width == 1,
            language=language,
        )

    def _say(self, key: str, **figures: object) -> str:
        return say(f"plan.{key}", self._language, figures)

    def head(self) -> str:
        """Return samples, margin and noise."""
        plan = self._plan
        groups = "" if plan.groups is None else self._say("groups", groups=count(plan.groups))
        return self._say(
            "head",
            metric=plan.metric,
            n=count(plan.n),
            groups=groups,
            margin=self._shown.size(plan.margin),
            noise=self._noise(),
        )

    def columns(self) -> list[str]:
        """Return the heads of the columns; the last is that of notes."""
        names = ["repeats", "provable", "detectable", "requests"]
        names += ["usd"] if self._has_prices else []
        return [*(self._say(f"column_{name}") for name in names), ""]

    def cells(self, row: PlanRow) -> list[str]:
        """Return the cells of a row."""
        asked = count(row.repeats)
        if row.repeats != row.baseline_repeats:
            asked = self._say("unequal", k=asked, k_b=count(row.baseline_repeats))
        price = _UNKNOWN if row.usd is None else usd(row.usd).removeprefix("USD ")
        return [
            asked,
            self._provable(row),
            self._bare(row.detectable_drop),
            count(row.requests),
            *([price] if self._has_prices else []),
            ", ".join(self._notes(row)),
        ]

    def needed(self) -> Iterator[str]:
        """Yield what proves the margin."""
        plan, needs = self._plan, self._plan.needed
        margin, n = self._shown.size(plan.margin), count(plan.n)
        if needs.n is not None and needs.least_n is not None:
            more = {"needed": count(needs.n), "least": count(needs.least_n)}
            yield self._say("needed", margin=margin, **more)
        yield self._say("needed_these", n=n, k=count(needs.repeats))

    def line(self) -> str:
        """Return the row of the gate as configured in one line."""
        plan = self._plan
        row = next(each for each in plan.rows if each.is_configured)
        asked = "asked" if row.repeats == row.baseline_repeats else "asked_unequal"
        told = self._say(
            "line",
            metric=plan.metric,
            n=count(plan.n),
            asked=self._say(asked, k=count(row.repeats), k_b=count(row.baseline_repeats)),
            proves=self._proves(row),
            finds=self._finds(row),
            noise=self._noise(),
        )
        return told if _is_proven(plan, row) else told + self._enough(row)

    def _proves(self, row: PlanRow) -> str:
        margin = self._shown.size(self._plan.margin)
        if row.provable_margin is None:
            return self._say("proves_none", margin=margin)
        unit = point_unit(self._language) if self._is_share else ""
        return self._say("proves", provable=self._provable(row) + unit, margin=margin)

    def _finds(self, row: PlanRow) -> str:
        if row.detectable_drop is None:
            return self._say("finds_none")
        return self._say("finds", detectable=self._shown.size(row.detectable_drop))

    def _enough(self, row: PlanRow) -> str:
        """Return what would prove the margin, at the end of a line."""
        needs, k = self._plan.needed, count(self._plan.needed.repeats)
        if row.claim is Claim.THESE or needs.n is None:
            return self._say("enough_these", k=k)
        return self._say("enough", needed=count(needs.n), k=k)

    def _noise(self) -> str:
        plan = self._plan
        source = self._say(f"source_{plan.source}", k=count(plan.answers or 0))
        if plan.flips is not None:
            return self._say("flips", flips=percent(plan.flips).replace(".0%", "%"), source=source)
        deviation = self._shown.size(plan.deviation or 0.0)
        return self._say("deviation", deviation=deviation, source=source)

    def _notes(self, row: PlanRow) -> Iterator[str]:
        if row.claim is Claim.THESE:
            yield self._say("these", n=count(self._plan.n))
        if row.is_configured:
            yield self._say("configured")

    def _provable(self, row: PlanRow) -> str:
        """Return the provable margin without its unit; rounding never makes it the one allowed."""
        shown, margin = self._bare(row.provable_margin), self._plan.margin
        is_more = row.provable_margin is not None and not _is_proven(self._plan, row)
        return f">{shown}" if is_more and shown == self._bare(margin) else shown

    def _bare(self, size: float | None) -> str:
        if size is None:
            return _UNKNOWN
        unit = point_unit(self._language) if self._is_share else ""
        return self._shown.size(size).removesuffix(unit)


def _is_proven(plan: GatePlan, row: PlanRow) -> bool:
    return row.provable_margin is not None and row.provable_margin <= plan.margin


def _aligned(table: list[list[str]]) -> Iterator[str]:
    """Yield rows as lines, all columns but the last flush right; wide letters count twice."""
    broad = [max(map(width, column)) for column in zip(*table, strict=True)]
    for row in table:
        *cells, note = row
        flush = [
            " " * (most - width(cell)) + cell for cell, most in zip(cells, broad, strict=False)
        ]
        yield ("  " + _GAP.join([*flush, note])).rstrip()
