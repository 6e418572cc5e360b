"""`honorific`: politeness of Korean answers."""

from collections import Counter
from typing import ClassVar, Final, Literal

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.speech import Speech, speech_counts
from lm_eval_so.core.words import Wording, joined, say_in_each
from lm_eval_so.evaluator.metrics.base import Category, Metric

__all__ = ["Honorific"]

Level = Literal["polite", "formal", "haeyo", "casual"]

_LEVELS: Final[dict[Level, frozenset[Speech]]] = {
    "polite": frozenset({"formal", "haeyo"}),
    "formal": frozenset({"formal"}),
    "haeyo": frozenset({"haeyo"}),
    "casual": frozenset({"plain", "casual"}),
}


class Honorific(Metric):
    """Share of the sentences at a level of politeness.

    Definition: the share of sentences at `level`, of those whose ending shows a level; `polite` is
        formal or 해요, `casual` is plain or casual. formal: …ㅂ니다, …ㅂ니까, …십시오; haeyo: …요, …죠; plain:
        …다, …냐, …니, …구나, …군, …더라, 하자, 해라; casual: …어 (워, 려, 눌러), …아 (몰라, 둬, 써), …야, …지, …해,
        …네, …래, …게, …걸, …까, …거든, …는데, …줘, …봐, …돼, …와, …마, 잘 가, if a verb has them; 안녕, 미안, 응, 그럼
        alone. Nouns and items of lists show no level (배송 안내, 사용 금지, 확인 필요), nor does 네 alone; such
        sentences, and those with an ending that is not known, do not count. Without a sentence that shows a
        level: 1, vacuous.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: never, for an answered row.
    Language notes: Korean only; ㅋㅋ, emoji, marks and a remark in brackets after the ending do not
        matter, and code in fences does not count.
    Source: own rules.
    """

    version = 2
    category: ClassVar[Category] = "heuristic"
    normalises = True

    class Params(Metric.Params):
        """Level to keep."""

        level: Level = "polite"

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the share of endings at the level."""
        level = self.params_for(sample).level
        found = speech_counts(run.text)
        share = level_share(found, level)
        if share is None:
            return self.make_score(sample, value=1, vacuous=True)
        shown = [joined(" ", (_name(speech), f"{n}")) for speech, n in sorted(found.items())]
        figures = {"level": _name(level), "found": joined(", ", shown)}
        why = None if share == 1 else say_in_each("metrics.speech_differs", figures)
        return self.make_score(sample, value=share, reason=why, details=dict(found.items()))


def _name(level: Level | Speech) -> Wording:
    return say_in_each(f"metrics.speech_{level}")


def level_share(found: Counter[Speech], level: Level) -> float | None:
    """Return the share of sentences at a level; None if no sentence shows its level."""
    total = found.total()
    return sum(found[speech] for speech in _LEVELS[level]) / total if total else None
