"""The names of metrics: those of the built-in ones, and how a class gets its own."""

import re
from collections.abc import Mapping
from typing import Final

BUILT_IN: Final[Mapping[str, str]] = {
    "answer_relevancy": "lm_eval_so.evaluator.metrics.judge.answer_relevancy:AnswerRelevancy",
    "behavior": "lm_eval_so.evaluator.metrics.behavior:BehaviorMatch",
    "bleu": "lm_eval_so.evaluator.metrics.bleu:Bleu",
    "char_f1": "lm_eval_so.evaluator.metrics.overlap:CharF1",
    "choice": "lm_eval_so.evaluator.metrics.choice:Choice",
    "chrf": "lm_eval_so.evaluator.metrics.chrf:Chrf",
    "composite": "lm_eval_so.evaluator.metrics.composite:Composite",
    "consistency": "lm_eval_so.evaluator.metrics.repeats:Consistency",
    "contains": "lm_eval_so.evaluator.metrics.text:Contains",
    "context_precision": "lm_eval_so.evaluator.metrics.judge.context_precision:ContextPrecision",
    "context_recall": "lm_eval_so.evaluator.metrics.judge.context_recall:ContextRecall",
    "conversation": "lm_eval_so.evaluator.metrics.judge.conversation:Conversation",
    "cost_usd": "lm_eval_so.evaluator.metrics.ops:CostUsd",
    "edit_similarity": "lm_eval_so.evaluator.metrics.overlap:EditSimilarity",
    "embedding_similarity": "lm_eval_so.evaluator.metrics.embedding:EmbeddingSimilarity",
    "exact_match": "lm_eval_so.evaluator.metrics.text:ExactMatch",
    "fact_coverage": "lm_eval_so.evaluator.metrics.judge.fact_coverage:FactCoverage",
    "faithfulness": "lm_eval_so.evaluator.metrics.judge.faithfulness:Faithfulness",
    "goal": "lm_eval_so.evaluator.metrics.judge.goal:Goal",
    "honorific": "lm_eval_so.evaluator.metrics.honorific:Honorific",
    "input_tokens": "lm_eval_so.evaluator.metrics.ops:InputTokens",
    "instructions": "lm_eval_so.evaluator.metrics.instructions:Instructions",
    "invariance": "lm_eval_so.evaluator.metrics.relation:Invariance",
    "json_match": "lm_eval_so.evaluator.metrics.structure:JsonMatch",
    "json_schema": "lm_eval_so.evaluator.metrics.structure:JsonSchema",
    "keyword_coverage": "lm_eval_so.evaluator.metrics.text:KeywordCoverage",
    "language_match": "lm_eval_so.evaluator.metrics.language:LanguageMatch",
    "latency_ms": "lm_eval_so.evaluator.metrics.ops:LatencyMs",
    "length": "lm_eval_so.evaluator.metrics.form:Length",
    "llm_judge": "lm_eval_so.evaluator.metrics.judge.llm_judge:LLMJudge",
    "llm_scale": "lm_eval_so.evaluator.metrics.judge.llm_scale:LLMScale",
    "numeric_match": "lm_eval_so.evaluator.metrics.numbers:NumericMatch",
    "output_tokens": "lm_eval_so.evaluator.metrics.ops:OutputTokens",
    "pairwise": "lm_eval_so.evaluator.metrics.judge.pairwise:Pairwise",
    "pii_leak": "lm_eval_so.evaluator.metrics.pii:PiiLeak",
    "refusal": "lm_eval_so.evaluator.metrics.behavior:Refusal",
    "regex": "lm_eval_so.evaluator.metrics.text:Regex",
    "retrieval": "lm_eval_so.evaluator.metrics.retrieval:Retrieval",
    "rouge_l": "lm_eval_so.evaluator.metrics.rouge:RougeL",
    "token_f1": "lm_eval_so.evaluator.metrics.overlap:TokenF1",
    "tokens_per_s": "lm_eval_so.evaluator.metrics.ops:TokensPerS",
    "tool_call": "lm_eval_so.evaluator.metrics.tools:ToolCall",
    "toxicity_keyword": "lm_eval_so.evaluator.metrics.toxicity:ToxicityKeyword",
    "ttft_ms": "lm_eval_so.evaluator.metrics.ops:TtftMs",
    "turns": "lm_eval_so.evaluator.turns:Turns",
}
"""Where each is defined, as module:Class; nothing is imported to list the names."""


def snake_case(name: str) -> str:
    """Return a class's name as a metric's: MyMetric → my_metric, LLMJudge → llm_judge."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return parts.lower()
