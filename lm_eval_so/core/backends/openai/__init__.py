"""Endpoints of OpenAI's APIs: OpenAI itself, Azure, and servers that speak like them."""

from lm_eval_so.core.backends.openai.backend import OpenAIBackend

__all__ = ["OpenAIBackend"]
