"""Shards of a run: which samples belong to one, and its share of the limits of the whole run."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, Context, Decimal
from typing import Final, Self

from lm_eval_so.core.config.model import Config, RunSection
from lm_eval_so.core.events import Listener, Noticed, Warned
from lm_eval_so.core.records.run import LimitShare, RunInfo
from lm_eval_so.core.words import counted
from lm_eval_so.errors import Problem, UsageError, refuse

_TEXT = re.compile(r"([1-9][0-9]{0,4})/([1-9][0-9]{0,4})")
_COUNTED: Final = "max_requests"
_MONEY: Final = "max_cost_usd"
_DIVIDED: Final = (_COUNTED, _MONEY, "max_requests_per_s", "max_tokens_per_min")
"""Limits of a whole run, which add up over its shards; the others, as `max_time_s`, hold for each alone."""
_DOWN = Context(prec=12, rounding=ROUND_DOWN)
"""Rounding by which the shares never add up to more than the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One of `count` parts of a dataset, from 1.

    A sample's id alone decides where it belongs, so a sample that is added or gone moves no other.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "2/3".

        Raises:
            UsageError: If the text is no such part.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is not None and int(found[1]) <= int(found[2]):
            return cls(number=int(found[1]), count=int(found[2]))
        hint = "write I/N with 1 ≤ I ≤ N, as in --shard 2/3"
        raise UsageError(f'"{text}" is no shard', hint=hint)

    @classmethod
    def of(cls, sample_id: str, count: int) -> Self:
        """Return the shard of a sample: SHA-256 of its id in UTF-8, as one number, mod `count`."""
        data = sample_id.encode("utf-8", "surrogatepass")
        place = int.from_bytes(hashlib.sha256(data).digest(), "big") % count
        return cls(number=place + 1, count=count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def suffix(self) -> str:
        """Ending of its folder's name: "-2of3"."""
        return f"-{self.number}of{self.count}"

    def has(self, sample_id: str) -> bool:
        """Return whether a sample belongs to it."""
        return type(self).of(sample_id, self.count) == self


def limit_shares(run: RunSection, shard: Shard | None) -> dict[str, LimitShare]:
    """Return a shard's share of each limit of the whole run that the config sets; {} of the whole.

    The shares of all shards add up to the whole, or, where it does not divide evenly, to a little less;
    of a number of requests the first shards get one more.

    Args:
        run: Limits of the whole run.
        shard: The shard; None for the whole.
    """
    if shard is None or shard.count == 1:
        return {}
    limits: dict[str, float] = {
        key: value for key in _DIVIDED if (value := getattr(run, key)) is not None
    }
    return {key: LimitShare(own=_share(of, shard), of=of) for key, of in limits.items()}


def share_problems(config: Config, shard: Shard | None) -> Iterator[Problem]:
    """Find a limit that does not suffice for one request of each shard.

    It is found by every shard, so that none spends anything for a whole that lacks a part.

    Args:
        config: Config of the whole run.
        shard: The shard; None for the whole.
    """
    most = config.run.max_requests
    if shard is None or most is None or most >= shard.count:
        return
    where = config.where("run", _COUNTED)
    what = f"{_COUNTED} {most} cannot be divided among {shard.count} shards"
    hint = f"set it to {shard.count} or more, or make fewer shards"
    yield Problem(what=what, where=where, hint=hint)


def as_shard(config: Config, shard: Shard | None) -> Config:
    """Return a config with a shard's share of the limits in their place; the same for the whole.

    Args:
        config: Config of the whole run, which identifies it: resuming and merging see no other.
        shard: The shard; None for the whole.

    Raises:
        ConfigError: If a limit does not suffice for all shards.
    """
    refuse([*share_problems(config, shard)])
    own = {key: share.own for key, share in limit_shares(config.run, shard).items()}
    if not own:
        return config
    return config.model_copy(update={"run": config.run.model_copy(update=own)})


def share_text(head: RunInfo, only: str | None = None) -> str | None:
    """Return the shares of a shard in words: "max_cost_usd 0.25 of 1.00 (shard 2/4)"; None without any.

    Args:
        head: `run.json` of the shard.
        only: Limit that is told alone, a key of `run`; None: all.
    """
    told = [
        f"{key} {_amount(key, each.own)} of {_amount(key, each.of)}"
        for key, each in head.share.items()
        if only in {None, key}
    ]
    return f"{', '.join(told)} (shard {head.shard})" if told else None


def tell_share(head: RunInfo, listener: Listener) -> None:
    """Tell the shares of a shard, and warn if its rows need more requests although the whole has enough.

    Shards hold about as many rows each, not just as many.

    Args:
        head: `run.json` of the shard.
        listener: Gets the news.
    """
    if told := share_text(head):
        listener(Noticed(stage="run", text=told))
    share = head.share.get(_COUNTED)
    if share is None or share.own >= head.planned or share.of < head.dataset.n * head.repeats:
        return
    requests = counted(int(share.own), "request")
    text = f"shard {head.shard} has {counted(head.planned, 'row')} and may send {requests}"
    enough = head.planned * Shard.parse(head.shard or "1/1").count
    listener(Warned(stage="run", text=text, hint=f"set run.{_COUNTED} to {enough:,} or more"))


def _share(whole: float, shard: Shard) -> float:
    if isinstance(whole, int):
        each, rest = divmod(whole, shard.count)
        return each + (shard.number <= rest)
    return float(_DOWN.divide(Decimal(str(whole)), Decimal(shard.count)))


def _amount(key: str, value: float) -> str:
    if key == _MONEY and round(value, 2) == value:
        return f"{value:,.2f}"
    return f"{value:,.6g}" if value < 1 else f"{value:,.10g}"
