"""Why an answer ended: the words of many makers to those of our records."""

from collections.abc import Mapping
from dataclasses import replace

from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.errors import BackendError, ErrorKind

_PREFIX = "finishreason"
"""Of names in protocol buffers, as FINISH_REASON_MAX_TOKENS."""
_FAILED = "error"
_WORDS: Mapping[str, tuple[str, ...]] = {
    "stop": (
        "stop",  # OpenAI, Gemini, Mistral, Ollama, watsonx
        "end_turn",  # Anthropic, Bedrock
        "stop_sequence",  # Anthropic, Bedrock, Cohere, Text Generation Inference, watsonx
        "complete",  # Cohere
        "eos_token",  # Text Generation Inference, watsonx
        "eos",  # llama.cpp's own API, stop_type
        "word",  # the same: a word of `stop`
        "stop_before",  # CLOVA Studio: a word of stopBefore
    ),
    "length": (
        "length",  # OpenAI, Mistral, Ollama, Text Generation Inference, CLOVA Studio
        "max_tokens",  # Anthropic, Bedrock, Gemini, Cohere, watsonx
        "max_output_tokens",  # OpenAI's responses
        "model_length",  # Mistral: the context is full
        "model_context_window_exceeded",  # Anthropic, Bedrock
        "pause_turn",  # Anthropic: to be continued, as after too many calls of its own tools
        "error_limit",  # Cohere: the context is full
        "user_cancel",  # Cohere
        "limit",  # llama.cpp's own API, stop_type
        "token_limit",  # watsonx
        "time_limit",  # watsonx
        "cancelled",  # watsonx
        "end_token",  # CLOVA Studio: the limit of tokens
    ),
    "tool_calls": (
        "tool_calls",  # OpenAI, Mistral, watsonx, CLOVA Studio
        "function_call",  # OpenAI, before there were tools
        "tool_use",  # Anthropic, Bedrock
        "tool_call",  # Cohere
    ),
    "content_filter": (
        "content_filter",  # OpenAI, Azure
        "content_filtered",  # Bedrock
        "guardrail_intervened",  # Bedrock
        "error_toxic",  # Cohere
        "safety",  # Gemini, as the next five
        "recitation",
        "language",
        "blocklist",
        "prohibited_content",
        "spii",
    ),
    "refusal": ("refusal",),  # Anthropic
    _FAILED: ("error",),  # Mistral, Cohere, watsonx, OpenRouter
}


def _plain(word: str) -> str:
    """Leave out what makers differ in: MAX_TOKENS, max-tokens and maxTokens are one word."""
    return "".join(filter(str.isalnum, word)).lower().removeprefix(_PREFIX)


_MEANT = {_plain(word): meant for meant, words in _WORDS.items() for word in words}


def with_known_finish(response: ChatResponse, *, may_repeat: bool = True) -> ChatResponse:
    """Return a response with a finish reason of ours; one that nobody knows stays as it is.

    Args:
        response: What a backend gave.
        may_repeat: Whether the request may be sent again if the endpoint failed.

    Raises:
        BackendError: If the answer ended because the endpoint failed.
    """
    told = response.finish_reason
    meant = _MEANT.get(_plain(told), told) if told else told
    if meant == _FAILED:
        what = f"the endpoint ended the answer with an error (finish_reason: {told})"
        partial = response.text or None
        raise BackendError(ErrorKind.SERVER, what, retryable=may_repeat, partial_text=partial)
    return response if meant == told else replace(response, finish_reason=meant)
