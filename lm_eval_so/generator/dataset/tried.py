"""Tests that were tried out: shown with their evidence and with the price of all, and not kept."""

from collections.abc import Iterator
from dataclasses import dataclass

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.templates.safe import one_line
from lm_eval_so.core.text import width
from lm_eval_so.core.words import say
from lm_eval_so.errors import NothingToDo
from lm_eval_so.generator.dataset.from_documents import Writing
from lm_eval_so.generator.dataset.make_samples import sample_of
from lm_eval_so.generator.review.decisions import phrases_of
from lm_eval_so.generator.writing.model.write_rounds import Try

_BROAD = 14
_MOST = 300
"""Characters of a text that are shown."""
_BAR = "▌"
_LABELS = ("question", "reply", "answer", "must_say", "evidence", "flags")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Tests that were tried out, with the price of all."""

    written: tuple[TestSample, ...]
    places: tuple[str, ...]
    """File and heading of each."""
    tries: tuple[Try, ...]
    """Proposals that were thrown away."""
    tests: int
    """Tests that are missing, these included."""
    requests: int
    """Requests that it took, answers of the cache included."""
    paid_usd: float | None
    """Price of these, in US dollars; null if no price is known."""
    usd: float | None
    """Likely price of all of them, in US dollars; null if no price is known."""
    most_usd: float | None
    """Price if every test took all its tries."""


async def try_out(writing: Writing, resources: Resources, tests: int, *, offline: bool) -> Tried:
    """Write a few tests, one of each type in turn, that are kept in the cache alone.

    Raises:
        NothingToDo: If no test is missing, or no model is named.
        LMEvalError: As `Writing.by_models` does, or what ended the asking early.
    """
    work = writing.by_model
    if work is None:
        hint = "name a model by generator.backend, and more tests by generator.synthesise"
        raise NothingToDo("there is no test to write by a model", hint=hint)
    options = writing.options(resources.listener, offline=offline, only=tests)
    results = await writing.by_models(resources, options)
    if results.failure is not None:
        raise results.failure
    missing = sum(work.missing.values())
    usd, proposals = results.asking.usd, len(results.written) + len(results.tries)
    return Tried(
        written=tuple(sample_of(each, {}) for each in results.written),
        places=tuple(each.draft.slot.chunk.place for each in results.written),
        tries=results.tries,
        tests=missing,
        requests=results.asking.requests,
        paid_usd=usd,
        usd=usd and usd * missing / min(tests, missing),
        most_usd=usd and usd * missing * work.section.attempts / max(1, proposals),
    )


def show(tried: Tried, language: Language) -> str:
    """Return what was tried out, for people, with a line end at its end."""
    shown = zip(tried.written, tried.places, strict=True)
    blocks = ["\n".join(_test(n, *each, language)) for n, each in enumerate(shown, start=1)]
    thrown = [_thrown(each, language) for each in tried.tries]
    return "\n".join([*blocks, *thrown, _price(tried, language)]) + "\n"


def _test(number: int, sample: TestSample, place: str, language: Language) -> Iterator[str]:
    kind = str(sample.metadata.get("type", ""))
    yield f"{number} {kind.ljust(_BROAD)} {one_line(place, _MOST)}"
    for message in sample.messages:
        label = "reply" if message.role == "assistant" else "question"
        yield _labelled(label, message.content, language)
    if sample.scenario is not None and sample.scenario.simulated_user is not None:
        user, checks = sample.scenario.simulated_user, sample.scenario.success
        yield _labelled("question", user.opening or "", language)
        yield _labelled("goal", user.goal, language)
        yield _labelled("must_say", ", ".join(check.text for check in checks), language)
    if sample.expected is not None:
        yield _labelled("answer", sample.expected, language)
    if phrases := phrases_of(sample):
        yield _labelled("must_say", ", ".join(phrases), language)
    for passage in sample.context:
        yield _labelled("evidence", f"{_BAR}{passage.text}", language)
    if sample.flags:
        yield _labelled("flags", ", ".join(sample.flags), language)


def _thrown(tried: Try, language: Language) -> str:
    texts = (one_line(each, _MOST) for each in (tried.question, tried.what))
    figures = {"reason": tried.reason, "details": " · ".join(filter(None, texts))}
    told = say("writing.thrown_away", language, figures)
    return f"- {tried.type.ljust(_BROAD)} {told.removesuffix(': ')}"


def _price(tried: Tried, language: Language) -> str:
    counts = {"n": len(tried.written), "requests": tried.requests, "all": tried.tests}
    figures = {name: f"{n:,}" for name, n in counts.items()}
    if tried.paid_usd is None or tried.usd is None or tried.most_usd is None:
        return say("writing.tried_unpriced", language, figures)
    prices = {"paid": tried.paid_usd, "usd": tried.usd, "most": tried.most_usd}
    return say("writing.tried", language, figures | {k: f"{v:,.2f}" for k, v in prices.items()})


def _labelled(label: str, text: str, language: Language) -> str:
    broad = max(width(say(_label(each), language)) for each in _LABELS)
    name = say(_label(label), language)
    return f"  {name}{' ' * (broad - width(name))}  {one_line(text, _MOST)}"


def _label(name: str) -> str:
    return "scenario.label_goal" if name == "goal" else f"writing.label_{name}"
