"""Tests from documents as a part of the dataset: what stands is kept, what is missing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Listener, Moved
from lm_eval_so.core.records.dataset import ModelUse
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.generator.dataset.make_samples import (
    in_order,
    is_unanswered,
    known_sample,
    not_imported,
    prompts_of,
    sample_of,
    style_for,
    told_by,
    type_of,
)
from lm_eval_so.generator.dataset.stored import (
    SOURCES_FILE,
    FromDocuments,
    Stored,
    document_lines,
    line_of,
    new_documents,
    read_stored,
    still_counting,
    try_of,
)
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.outcomes import STAGE, notice
from lm_eval_so.generator.review.decisions import Decisions
from lm_eval_so.generator.twins.make_twins import twins_of
from lm_eval_so.generator.writing.write import Material, Options, Results, Work


def has_documents(config: Config, folder: Path) -> bool:
    """Return whether a config names documents, or wants tests from them, or the dataset in a folder has some."""
    is_wanted = config.generator is not None and config.generator.synthesise is not None
    is_named = is_wanted or any(source.may_hold_documents for source in config.sources)
    return is_named or (folder / SOURCES_FILE).exists()


class Writing:
    """The tests to write from documents."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        *,
        documents: Sequence[Document],
        imported: Sequence[TestSample],
        decisions: Decisions,
    ) -> None:
        self._decisions = decisions
        self._config, self._imported = config, imported
        self.documents = documents
        self._stored = read_stored(folder) if has_documents(config, folder) else Stored()
        self._standing = not_imported(decisions.all_decided(self._stored.samples), imported)
        self._by = told_by(config)
        self._has_model = bool(config.generator and config.generator.writer)
        self._is_held = False
        self._work = self._planned()

    @property
    def stands(self) -> bool:
        """Whether tests from documents stand."""
        return bool(self._standing)

    @property
    def by_model(self) -> Work | None:
        """The tests that a model is to be asked for; None if none is missing, or there is no model."""
        is_missing = self._work is not None and any(self._work.missing.values())
        return self._work if self._has_model and is_missing else None

    def renew(
        self,
        changes: Mapping[str, TestSample | None],
        thrown: Sequence[Mapping[str, Any]],
        *,
        is_held: bool,
    ) -> None:
        """Put other samples in the place of tests that stand, or take these out.

        Args:
            changes: Samples by the ids of those that stand; None takes one out.
            thrown: Lines of rejected.jsonl about tests that are taken out.
            is_held: Whether those without an answer were held against all documents.
        """
        self._is_held = is_held
        new = (changes.get(each.id, each) for each in self._standing)
        self._standing = tuple(each for each in new if each is not None)
        self._stored = replace(self._stored, tries=(*self._stored.tries, *thrown))
        self._work = self._planned()

    def _planned(self) -> Work | None:
        section = self._config.generator
        if section is None or section.synthesise is None:
            return None
        slots = {
            each.provenance.slot or each.id: type_of(each)
            for each in self._standing
            if each.provenance
        }
        tries = (try_of(line, self._by) for line in still_counting(self._stored.tries))
        rejected = [replace(known_sample(s), stands=False) for s in self._decisions.rejected]
        material = Material(
            documents=self.documents,
            known=[*map(known_sample, (*self._imported, *self._standing)), *rejected],
            standing=slots,
            tries=[each for each in tries if each is not None],
        )
        return Work(material, section.synthesise, section.seed)

    def by_rule(self) -> Results:
        """Write look-ups if there is no model; with one nothing is written, and nothing asked."""
        return Results() if self._work is None or self._has_model else self._work.look_ups()

    async def by_models(self, resources: Resources, options: Options) -> Results:
        """Write what is missing by the model of the config; errors as in `Work.by_models`."""
        assert self._work is not None  # noqa: S101 - `by_model`
        return await self._work.by_models(self._config, resources, options)

    def options(
        self, listener: Listener, *, offline: bool = False, only: int | None = None
    ) -> Options:
        """Return how the model is asked.

        Args:
            listener: Listener of the stage.
            offline: Whether only the cache is asked.
            only: Number of tests to try out.

        Raises:
            InputError: If the file of examples cannot be read.
        """

        def tell(written: int, thrown: int) -> None:
            listener(Moved(stage=STAGE, done=written, counts={"thrown away": thrown}))

        chunks = self._work.chunks if self._work else ()
        languages = {chunk.language for chunk in chunks}
        style = style_for(self._config, self._imported, languages)
        if not any(style.values()):
            listener(notice(self._config.language, "no_style"))
        return Options(style=style, offline=offline, only=only, tell=tell)

    def added(self, outcome: Results, licenses: dict[str, str | None]) -> FromDocuments:
        """Return the part of the dataset that comes from documents."""
        written = (sample_of(each, licenses) for each in outcome.written)
        new = self._decisions.all_decided(written)
        types = tuple(self._work.wanted) if self._work else ()
        samples = in_order([*self._standing, *new], types)
        bases = [*self._imported, *samples]
        twins = twins_of(self._config, bases, self._stored.twins, self._decisions)
        unheld = self._new_documents()
        return FromDocuments(
            documents=document_lines(self.documents, self._stored, [*samples, *twins], unheld),
            new_documents=unheld,
            samples=samples,
            twins=twins,
            tries=(
                *self._decisions.reject_lines(self._stored.tries),
                *(line_of(each, self._by) for each in outcome.tries),
            ),
            plan=self._work.figures(outcome, has_model=self._has_model) if self._work else None,
            llm=self._use(outcome, samples),
        )

    def _new_documents(self) -> list[str]:
        """Return the ids of documents that came after tests without an answer that stand."""
        if self._is_held or not any(map(is_unanswered, self._standing)):
            return []
        return new_documents(self.documents, self._stored)

    def _use(self, outcome: Results, samples: Sequence[TestSample]) -> ModelUse | None:
        asking = outcome.asking
        before = self._stored.info.llm if self._stored.info else None
        if not asking.requests:
            return before
        before = before or ModelUse()
        return ModelUse(
            models=tuple(sorted({*before.models, *asking.models})),
            prompts={**before.prompts, **prompts_of(samples)},
            requests=before.requests + asking.requests,
            input_tokens=before.input_tokens + asking.input_tokens,
            output_tokens=before.output_tokens + asking.output_tokens,
        )
