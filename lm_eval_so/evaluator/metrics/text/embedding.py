"""`embedding_similarity`: cosine of the vectors of two texts."""

import asyncio
import math
from collections.abc import Sequence
from operator import mul
from typing import Any, ClassVar

from pydantic import JsonValue

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.evaluator.metrics.base import Category, Metric
from lm_eval_so.evaluator.metrics.env import Embed, EmbedError, Vector

__all__ = ["EmbeddingSimilarity", "cosine", "cosines"]


class EmbeddingSimilarity(Metric):
    """Similarity of answer and reference in meaning, by their embeddings.

    Definition: max(0, cosine) of the vectors of answer and reference after `basic`, the best over
        all references; two empty texts 1, one empty 0. The vectors come from the endpoint of
        `backend` (`options.api: embeddings`), else from the small model of the extra `embed`.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: a text has no vector: it is too long, or the embedder fails (`embed_error`);
        not applicable without a reference.
    Language notes: the small model knows Korean, English and 14 more languages. It tells topics
        apart, not facts: texts that differ in a number or a negation are near each other; see
        the page on Korean.
    Source: Yang et al. (2020), Multilingual Universal Sentence Encoder, ACL demos (small model).
    """

    category: ClassVar[Category] = "model"
    measures_overlap = True
    normalises = True
    requires = frozenset({"expected", "embedder"})

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the best cosine of answer and references."""
        said, references = basic(run.text), [basic(text) for text in sample.answers]
        if not said or not any(references):
            return self.make_score(sample, value=said in references)
        assert self.env.embed is not None  # noqa: S101 - what `requires` sees to
        try:
            near = await cosines(self.env.embed, said, list(filter(None, references)))
        except EmbedError as error:
            return self.unscored(sample, "embed_error", str(error))
        return self.make_score(sample, value=max(0.0, *near))

    def definition(self) -> dict[str, JsonValue]:
        """Add the local model, if that embeds."""
        given: dict[str, Any] = super().definition()
        return {**given, "embedder": self.env.embedder} if self.env.embedder else given


def cosine(one: Vector, other: Vector) -> float:
    """Return the cosine of two vectors of one length, −1 … 1; 0 if one of them is 0."""
    if len(one) != len(other):
        raise EmbedError(f"vectors of {len(one)} and {len(other)} numbers")
    length = math.hypot(*one) * math.hypot(*other)
    return max(-1.0, min(1.0, math.fsum(map(mul, one, other)) / length)) if length else 0.0


async def cosines(embed: Embed, text: str, others: Sequence[str]) -> list[float]:
    """Return the cosines of a text and others, as `cosine`, after the profile `basic`.

    Raises:
        EmbedError: If one of the texts has no vector.
    """
    first, *rest = await asyncio.gather(*(embed(basic(each)) for each in (text, *others)))
    return [cosine(first, other) for other in rest]
