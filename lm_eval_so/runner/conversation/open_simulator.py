"""The model that plays simulated users, opened from the config."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import JsonValue

from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.build import sent_params
from lm_eval_so.core.config.model import Config
from lm_eval_so.runner.conversation.simulated_user import Simulator
from lm_eval_so.runner.conversation.user_prompt import template_digest


@asynccontextmanager
async def open_simulator(
    config: Config, resources: Resources, *, is_needed: bool
) -> AsyncIterator[Simulator | None]:
    """Open the model that plays users; None if no sample has one, or the config names none.

    Raises:
        InputError: With every problem of its section.
        BackendError: If its backend cannot get ready.
    """
    section = config.run.simulator
    if section is None or not is_needed:
        yield None
        return
    async with open_asker(section.backend, config=config, resources=resources) as asker:
        params = sent_params(asker.backend)
        yield Simulator(asker.ask, params=params, template=section.template)


def simulator_settings(config: Config) -> dict[str, JsonValue]:
    """Return the settings that decide how users are played; {} without a simulator."""
    section = config.run.simulator
    if section is None:
        return {}
    return {
        "backend": section.backend.name,
        "params": section.backend.params,
        "template": section.template.value,
        "told": template_digest(section.template),
    }
