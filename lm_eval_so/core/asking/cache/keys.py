"""The digests of a run's requests, made fast: what they share is written once, not each time."""

from lm_eval_so.core.hashing import canon, canon_text, digest_text
from lm_eval_so.core.records.chat import ChatRequest, Message, message_values


class RequestKeys:
    """Gives the digests that answers are kept by: SHA-256 of the request as canonical JSON.

    They cover what decides an answer, the number of the repeat included, so that repeats are
    answers of their own. Keys, time-outs, concurrency and values of headers are not in them.

    Args:
        fingerprint: Digest of backend, parameters and system prompt.
        reach: Digest of how the chatbot is reached, without credentials.
    """

    def __init__(self, *, fingerprint: str, reach: str) -> None:
        self._head = f'{{"fingerprint":{_json(fingerprint)},"messages":'
        self._reach = _json(reach)
        self._shared: tuple[object, ...] = ()
        self._middle = self._seed = self._tail = ""

    def __call__(self, request: ChatRequest) -> str:
        """Return the digest that the answer to a request is kept by, 64 hexadecimal digits."""
        shared = (
            request.params,
            request.tools,
            request.tool_choice,
            request.response_format,
            request.system,
        )
        if len(self._shared) != len(shared) or any(map(_differ, shared, self._shared)):
            self._write(request)
            self._shared = shared
        seed = "null" if request.seed is None else request.seed
        return digest_text(
            f"{self._head}{_messages(request.messages)}{self._middle}{request.repeat}"
            f'{self._seed}{seed}{self._tail}{request.turn},"v":1}}'
        )

    def _write(self, request: ChatRequest) -> None:
        params, tools = _json(dict(request.params)), _json([dict(tool) for tool in request.tools])
        form = _json(request.response_format and dict(request.response_format))
        self._middle = f',"params":{params},"reach":{self._reach},"repeat":'
        self._seed = f',"response_format":{form},"seed":'
        self._tail = (
            f',"system":{_json(request.system)},"tool_choice":{_json(request.tool_choice)},'
            f'"tools":{tools},"turn":'
        )


def _differ(one: object, other: object) -> bool:
    return one is not other


def _messages(messages: tuple[Message, ...]) -> str:
    if len(messages) == 1:
        (only,) = messages
        if only.name is None and not only.tool_calls and only.tool_call_id is None:
            return f'[{{"content":{canon_text(only.content)},"role":"{only.role}"}}]'
    return _json([message_values(message) for message in messages])


def _json(value: object) -> str:
    return canon(value).decode("utf-8", "surrogatepass")
