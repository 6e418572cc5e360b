"""Running sums over the rows of a run."""

from collections import Counter
from decimal import Decimal

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo, RunResult
from lm_eval_so.core.words import counted

_FAILURES = (RunStatus.TIMEOUT, RunStatus.RATE_LIMITED, RunStatus.ERROR)
_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
_DECIMALS = 10


class Tally:
    """Counts rows, tokens and money, whatever the number of rows."""

    def __init__(self) -> None:
        self.rows = 0
        self.attempts = 0
        self.unpriced = 0
        self.from_cache = 0
        self.models: set[str] = set()
        self.last_error: ErrorInfo | None = None
        """Of the last row that failed."""
        self._counts: Counter[RunStatus] = Counter()
        self._kinds: Counter[str] = Counter()
        self._tokens: dict[str, int] = {}
        self._cost: Decimal | None = None
        self._played = Decimal(0)

    def add(self, row: RunResult) -> None:
        """Count a row."""
        self.rows += 1
        self.attempts += row.attempts
        self._counts[row.status] += 1
        if row.error is not None and row.status in _FAILURES:
            self.last_error = row.error
        if row.error is not None and row.status is RunStatus.ERROR:
            self._kinds[row.error.kind] += 1
        if row.cached and not row.attempts:
            self.from_cache += 1
        if row.model:
            self.models.add(row.model)
        for name in _TOKENS:
            tokens = getattr(row.usage, name)
            if tokens is not None:
                self._tokens[name] = self._tokens.get(name, 0) + tokens
        if row.cost_usd is not None:
            self._cost = (self._cost or Decimal(0)) + Decimal(str(row.cost_usd))
        elif row.status.is_answer:
            self.unpriced += 1
        if row.simulator is not None and row.simulator.cost_usd is not None:
            self._played += Decimal(str(row.simulator.cost_usd))

    @property
    def counts(self) -> dict[str, int]:
        """Rows by status, in the statuses' order, those without rows left out."""
        return {status.value: n for status in RunStatus if (n := self._counts[status])}

    @property
    def kinds(self) -> dict[str, int]:
        """Rows that ended in an error by its kind, the most frequent first."""
        return {str(kind): n for kind, n in self._kinds.most_common()}

    @property
    def failures(self) -> int:
        """Rows without an answer because asking failed."""
        return sum(self._counts[status] for status in _FAILURES)

    @property
    def has_answers(self) -> bool:
        """Return whether a row has an answer."""
        return any(status.is_answer and n for status, n in self._counts.items())

    @property
    def usage(self) -> Usage:
        """Tokens of all rows that told them."""
        return Usage(**self._tokens)

    @property
    def cost_usd(self) -> float | None:
        """Money of all rows with a known price; None if none has one."""
        return None if self._cost is None else float(round(self._cost, _DECIMALS))

    @property
    def spent_usd(self) -> float | None:
        """Money of all rows, that of their simulated users included; None if nothing is known."""
        if self._cost is None and not self._played:
            return None
        return float(round((self._cost or 0) + self._played, _DECIMALS))

    def text(self) -> str:
        """Return the rows in words: "ok 981, timeout 6, error 4 (server 3, tls 1).

        60 from the cache".
        """
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in self.kinds.items())
        parts = [f"{status} {n:,}" for status, n in self.counts.items()]
        known = f"; {self.from_cache:,} from the cache" if self.from_cache else ""
        return ", ".join(parts) + (f" ({kinds})" if kinds else "") + known

    def failures_text(self) -> str:
        """Return the failed rows in words: "7 of 988 rows have no answer (timeout 6, error 1)"."""
        found = ((s.value, self._counts[s]) for s in _FAILURES)
        told = ", ".join(f"{status} {n:,}" for status, n in found if n)
        of = counted(self.rows, "row has", "rows have")
        return f"{self.failures:,} of {of} no answer ({told})"
