"""Whether requests fail because too many are under way, or for another reason.

An endpoint that is asked too much refuses more the more is under way. One that refuses now and then
for reasons of its own refuses as often whatever is under way: to ask less there only costs time.
So failures are held against the limit under which their requests were sent. If the failed requests
were sent under higher limits than the others, less would help, and they are called overload; if
they were not, they are not. How far the two lie apart by chance alone is known, and that is the
measure (the rank-sum test of Wilcoxon, 1945, and of Mann and Whitney, 1947, with ties).

Three things make it hold in practice:

- Who is believed keeps the benefit of the doubt. As long as failures are held for overload, one
  standard error suffices to go on; once they are not, it takes three.
- Only limits up to twice the present one are looked at. That far more is too much says nothing on
  whether this is too much.
- If some 5 of the last 20 requests failed, that is overload whatever the limits say: under a limit
  that stayed the same there is nothing to compare, and a window that is used up refuses all.
"""

import math
from collections import defaultdict

_FADES_EVERY = 100
_FADES_TO = 0.9
"""So that what lies some 1,000 requests back counts little: endpoints change."""
_RECENT = 20
_FLOOD, _FLOOD_TAKEN_IN = 5.0, 0.7
"""Failures among the last that are a flood, and what they still count once it was said so."""
_SUSPECTED, _PROVED = 1.0, 3.0
"""Standard errors from which on failures are overload: if they were before, if they were not."""
_LEAST_FAILED = 1.5
"""Failures without which nothing is judged; a little below 2, as they fade."""
_STEPS = 8
"""Limits are told apart in steps of an eighth of an octave, 9 %."""


class Overload:
    """Keeps how many requests were sent under which limit, and how many of them failed."""

    def __init__(self) -> None:
        self.is_believed = True
        """Whether failures are held for overload, as long as nothing else is known."""
        self._sent: defaultdict[int, float] = defaultdict(float)
        self._failed: defaultdict[int, float] = defaultdict(float)
        self._recently_failed = 0.0
        self._fades_in = _FADES_EVERY

    def sent(self, limit: int) -> None:
        """Take note that a request is sent under a limit."""
        self._sent[_step(limit)] += 1
        self._recently_failed *= 1 - 1 / _RECENT
        self._fades_in -= 1
        if self._fades_in == 0:
            self._fades_in = _FADES_EVERY
            for counts in (self._sent, self._failed):
                for step in counts:
                    counts[step] *= _FADES_TO

    def failed(self, limit: int) -> None:
        """Take note that a request failed that was sent under a limit."""
        self._failed[_step(limit)] += 1
        self._recently_failed += 1

    def judge(self, limit: int) -> bool | None:
        """Tell whether the failures under a limit are overload; None if too little is known."""
        if self._recently_failed >= _FLOOD:
            self._recently_failed *= _FLOOD_TAKEN_IN
            self.is_believed = True
            return True
        apart = self._apart(_step(2 * limit))
        if apart is None:
            return None
        self.is_believed = apart > (_SUSPECTED if self.is_believed else _PROVED)
        return self.is_believed

    def _apart(self, highest: int) -> float | None:
        """How far failed requests lie above all that were sent, in standard errors."""
        counts = [
            (self._sent[step], self._failed[step]) for step in sorted(self._sent) if step <= highest
        ]
        sent, failed = (sum(column) for column in zip(*counts, strict=True))
        if failed < _LEAST_FAILED:
            return None
        below = rank = ties = 0.0
        for here, failed_here in counts:
            rank += failed_here * ((below + here / 2) / sent - 0.5)
            ties += (here / sent) ** 3
            below += here
        share = min(failed / sent, 0.9)  # what is sent last has not all come back
        spread = failed * (1 - ties) / 12 * (1 - share)
        return rank / math.sqrt(spread) if spread > 1e-9 else 0.0


def _step(limit: int) -> int:
    return round(_STEPS * math.log2(limit))
