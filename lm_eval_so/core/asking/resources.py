"""What a stage that asks models needs from outside, handed to it as one bundle."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from lm_eval_so.core.asking.limiter import Limiters
from lm_eval_so.core.events import Listener, ignore
from lm_eval_so.core.secrets import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Handed to `run`, `evaluate` and whatever else asks."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    listener: Listener = ignore
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first Ctrl-C or SIGTERM: nothing new is asked."""
    redactor: Redactor = field(default_factory=Redactor)
    """Takes secrets out of everything that is written."""
    limiters: Limiters = field(default_factory=Limiters)
    """One limit an endpoint, whoever asks it."""
