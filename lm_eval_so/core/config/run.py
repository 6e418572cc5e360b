"""Whom a run asks, and how: the sections `backend` and `run`."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from lm_eval_so.core.config.section import Section
from lm_eval_so.core.records.enums import Language

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class BackendSection(Section):
    """A chatbot or judge, and how it is reached."""

    name: str
    """openai, azure, http, local, command, python, scripted, replay, a plugin's name, or
    package.module:Class."""
    label: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]+$")
    """Names the run folder, by letters, digits and . _ -; default: <name>_<model>, or the name."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Sent to the model; part of the fingerprint."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """How to reach it; not part of the fingerprint."""

    @property
    def model(self) -> str | None:
        """The model that is asked for, if the parameters name one."""
        model = self.params.get("model")
        return model if isinstance(model, str) else None

    @property
    def run_label(self) -> str:
        """The label, or what stands for it; safe as a folder's name."""
        text = self.label or "_".join(filter(None, (self.name, self.model)))
        return _UNSAFE.sub("-", text).strip(".-") or "backend"


class SimulatorSection(Section):
    """Who plays the user in scenarios with a simulated user."""

    backend: BackendSection
    """The model that plays the user."""
    template: Language = Language.EN
    """Language of its instructions."""


class RunSection(Section):
    """How the chatbot is asked."""

    out: Path = Path("runs")
    """Folder of runs."""
    concurrency: int = Field(default=16, ge=1, le=4096)
    """Most requests under way at once."""
    repeats: int = Field(default=1, ge=1, le=1000)
    """Answers per sample."""
    seed: int = 7
    """Decides the seed of each row and the jitter of waits."""
    timeout_s: float = Field(default=60, gt=0)
    """Seconds an attempt may take."""
    max_attempts: int = Field(default=5, ge=1, le=100)
    """Attempts per request, the first included; refusals for asking too much (429) do not count."""
    row_deadline_s: float = Field(default=300, gt=0)
    """Seconds a row may take, attempts and waits included."""
    drain_s: float = Field(default=10, ge=0)
    """Seconds that requests under way get after Ctrl-C."""
    max_retry_after_s: float = Field(default=120, ge=0)
    """Longest wait that a server may ask for, in seconds."""
    max_cost_usd: float | None = Field(default=None, gt=0)
    """Budget of the whole run in US dollars, judges included; asking stops before it is spent."""
    max_requests: int | None = Field(default=None, ge=1)
    """Most requests of the whole run, attempts and judges included."""
    max_time_s: float | None = Field(default=None, gt=0)
    """Seconds the whole run may take, judges included."""
    max_requests_per_s: float | None = Field(default=None, gt=0)
    """Most requests a second to one endpoint."""
    max_tokens_per_min: float | None = Field(default=None, gt=0)
    """Most tokens a minute to one endpoint."""
    max_tool_rounds: int = Field(default=5, ge=1, le=100)
    """Most rounds of tool calls that are answered from `tool_results`."""
    cache: Path | Literal[False] = Path(".lm-eval-so/cache.sqlite")
    """File that keeps answers, so that the same request is not paid for twice; or false."""
    keep_raw: bool = False
    """Whether each row keeps the response as it came."""
    executor: Literal["live", "batch"] = "live"
    """batch hands single questions to the endpoint's batch service: cheaper, within a day."""
    batch_discount: float = Field(default=0.5, gt=0, le=1)
    """What a batch costs of the usual price."""
    batch_leftovers: Literal["ask", "leave"] = "ask"
    """What becomes of rows that a batch did not answer: asked one by one, or left for later."""
    simulator: SimulatorSection | None = None
    """Who plays the user, for scenarios with a simulated user."""
