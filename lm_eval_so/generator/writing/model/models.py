"""The models that write and check, opened from the config; or the cache alone, when offline."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.build import sent_params
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import Language, RunStatus
from lm_eval_so.errors import CannotMeasure
from lm_eval_so.generator.writing.model.prompts import prompt_digest
from lm_eval_so.generator.writing.model.write_rounds import Model

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Open models."""

    writer: Model
    checker: Model | None
    """None: nothing is checked."""
    missed: list[ChatRequest] = field(default_factory=list)
    """Requests that the cache had no answer to, when offline."""

    def not_in_cache(self) -> CannotMeasure | None:
        """Return the error of answers that the cache does not have; None if it had all."""
        if not self.missed:
            return None
        first = ", ".join(request.sample_id for request in self.missed[:_SHOWN])
        more = ", …" if len(self.missed) > _SHOWN else ""
        what = f"{len(self.missed)} answers are not in the cache: {first}{more}"
        return CannotMeasure(what, hint="run it without --offline, which asks for these alone")


def told_by(config: Config) -> str:
    """Return the digest of what writes tests: the instructions, the model and its parameters."""
    section = config.generator and config.generator.writer
    wanted = config.generator and config.generator.synthesise
    names = ["write", *(["scenario"] if wanted and wanted.scenarios else [])]
    told = [prompt_digest(language, name) for name in names for language in Language]
    return digest([told, section and section.name, section and section.params])[:16]


@asynccontextmanager
async def open_models(
    config: Config, resources: Resources, *, offline: bool
) -> AsyncIterator[Models]:
    """Open the models of the `generator` section, and close them in the end.

    Args:
        config: The config, with a model that writes.
        resources: Resources of the command.
        offline: Whether only the cache is asked.

    Raises:
        InputError: With every problem of a section.
        BackendError: If a backend cannot get ready.
    """
    section = config.generator
    assert section is not None and section.writer is not None  # noqa: S101, PT018 - the caller looked
    missed: list[ChatRequest] = []
    async with open_asker(section.writer, config=config, resources=resources) as asker:
        writer = _model(asker, section.writer, missed, offline=offline)
        if section.checker is None or section.checker is section.writer:
            checker = None if section.checker is None else writer
            yield Models(writer=writer, checker=checker, missed=missed)
            return
        async with open_asker(section.checker, config=config, resources=resources) as other:
            checker = _model(other, section.checker, missed, offline=offline)
            yield Models(writer=writer, checker=checker, missed=missed)


def _model(
    asker: LiveAsker, section: BackendSection, missed: list[ChatRequest], *, offline: bool
) -> Model:
    async def from_cache(request: ChatRequest) -> Answer:
        answer = asker.known(asker.key_of(request))
        if answer is None:
            missed.append(request)
            return Answer(status=RunStatus.ERROR)
        return answer

    return Model(
        ask=from_cache if offline else asker.ask,
        params=sent_params(asker.backend),
        name=section.model or section.name,
    )
