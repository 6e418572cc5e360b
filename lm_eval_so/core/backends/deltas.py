"""A streamed chat completion, put together to what the same request gives unstreamed."""

from collections.abc import Mapping
from typing import Any

from lm_eval_so.core.backends.faults import answered_error, tells_error
from lm_eval_so.core.backends.wire import joined_text

_KEPT = ("model", "usage", "timings")
_FIELDS = ("content", "refusal", "reasoning_content", "reasoning")


class ChatDeltas:
    """What has come of a stream so far."""

    def __init__(self) -> None:
        self.has_begun = False
        """Whether text, or a tool call, has come; reasoning does not count."""
        self.is_whole = False
        """Whether the answer may end here: its finish reason is known."""
        self._values: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {name: [] for name in _FIELDS}
        self._calls: dict[int | str, dict[str, Any]] = {}
        self._logprobs: list[Any] = []
        self._finish_reason: Any = None

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._texts["content"])

    def add(self, values: Any) -> None:
        """Take the data of one event; what is of another shape is passed over.

        Raises:
            BackendError: If the event tells an error.
        """
        if not isinstance(values, Mapping):
            return
        if tells_error(values):
            raise answered_error(200, {}, values)
        self._values.update((name, values[name]) for name in _KEPT if values.get(name))
        choice = _first_choice(values.get("choices"))
        if choice is None:
            return
        if choice.get("error"):
            raise answered_error(200, {}, choice)
        delta = choice.get("delta")
        if delta is None and not self.has_begun:  # some servers stream one whole message
            delta = choice.get("message")
        self._add_delta(delta)
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, Mapping) and isinstance(logprobs.get("content"), list):
            self._logprobs += logprobs["content"]
        if choice.get("finish_reason"):
            self._finish_reason = choice["finish_reason"]
            self.is_whole = True

    def end(self) -> None:
        """Take [DONE]: some servers tell no finish reason before it."""
        self.is_whole = self.is_whole or self.has_begun

    def values(self) -> dict[str, Any]:
        """Return the body that the same answer has unstreamed."""
        message: dict[str, Any] = {name: "".join(self._texts[name]) for name in _FIELDS}
        message["tool_calls"] = list(self._calls.values())
        choice = {
            "message": message,
            "finish_reason": self._finish_reason,
            "logprobs": {"content": self._logprobs} if self._logprobs else None,
        }
        return {**self._values, "choices": [choice]}

    def _add_delta(self, delta: object) -> None:
        if not isinstance(delta, Mapping):
            return
        for name in _FIELDS:
            text = joined_text(delta.get(name))
            if text:
                self._texts[name].append(text)
                self.has_begun = self.has_begun or name in {"content", "refusal"}
        calls = delta.get("tool_calls")
        for part in calls if isinstance(calls, list) else ():
            if isinstance(part, Mapping):
                self._add_call(part)
                self.has_begun = True

    def _add_call(self, part: Mapping[str, Any]) -> None:
        key = part.get("index")
        if not isinstance(key, int):  # some servers give no index: an id begins a call
            key = joined_text(part.get("id")) or next(reversed(self._calls), "")
        given = part.get("function")
        given = given if isinstance(given, Mapping) else {}
        known = self._calls.get(key)
        if known and given.get("name") and part.get("id") not in {None, "", known["id"]}:
            key = str(part["id"])  # Google's gives all calls the index 0
        call = self._calls.setdefault(key, {"id": None, "function": {"name": "", "arguments": ""}})
        call["id"] = call["id"] or part.get("id")
        made = call["function"]
        made["name"] = made["name"] or given.get("name") or ""
        arguments = given.get("arguments")
        if isinstance(arguments, str) and isinstance(made["arguments"], str):
            made["arguments"] += arguments
        elif arguments:  # some servers give the object itself
            made["arguments"] = arguments


def _first_choice(choices: object) -> Mapping[str, Any] | None:
    """Return the choice that counts: where several were asked for, the one with index 0."""
    if not isinstance(choices, list):
        return None
    return next((c for c in choices if isinstance(c, Mapping) and not c.get("index")), None)
