"""Table of the built-in metrics, and names from classes."""

import re
from collections.abc import Mapping
from typing import Final

BUILT_IN: Final[Mapping[str, str]] = {
    "agent": "lm_eval_so.evaluator.metrics.judge.agent:Agent",
    "answer_correctness": "lm_eval_so.evaluator.metrics.judge.answer_correctness:AnswerCorrectness",
    "answer_relevancy": "lm_eval_so.evaluator.metrics.judge.answer_relevancy:AnswerRelevancy",
    "behavior": "lm_eval_so.evaluator.metrics.safety.behavior:BehaviorMatch",
    "bleu": "lm_eval_so.evaluator.metrics.text.bleu:Bleu",
    "char_f1": "lm_eval_so.evaluator.metrics.text.overlap:CharF1",
    "checklist": "lm_eval_so.evaluator.metrics.judge.checklist:Checklist",
    "choice": "lm_eval_so.evaluator.metrics.text.choice:Choice",
    "chrf": "lm_eval_so.evaluator.metrics.text.chrf:Chrf",
    "citations": "lm_eval_so.evaluator.metrics.structure.citations:Citations",
    "composite": "lm_eval_so.evaluator.metrics.derived.composite:Composite",
    "consistency": "lm_eval_so.evaluator.metrics.derived.consistency:Consistency",
    "contains": "lm_eval_so.evaluator.metrics.text.wording:Contains",
    "context_precision": "lm_eval_so.evaluator.metrics.judge.context_precision:ContextPrecision",
    "context_recall": "lm_eval_so.evaluator.metrics.judge.context_recall:ContextRecall",
    "conversation": "lm_eval_so.evaluator.metrics.judge.conversation:Conversation",
    "cost_usd": "lm_eval_so.evaluator.metrics.operation:CostUsd",
    "datetime_match": "lm_eval_so.evaluator.metrics.text.datetime_match:DatetimeMatch",
    "edit_similarity": "lm_eval_so.evaluator.metrics.text.overlap:EditSimilarity",
    "embedding_similarity": "lm_eval_so.evaluator.metrics.text.embedding:EmbeddingSimilarity",
    "exact_match": "lm_eval_so.evaluator.metrics.text.wording:ExactMatch",
    "fact_coverage": "lm_eval_so.evaluator.metrics.judge.fact_coverage:FactCoverage",
    "faithfulness": "lm_eval_so.evaluator.metrics.judge.faithfulness:Faithfulness",
    "goal": "lm_eval_so.evaluator.metrics.judge.goal:Goal",
    "honorific": "lm_eval_so.evaluator.metrics.form.honorific:Honorific",
    "input_tokens": "lm_eval_so.evaluator.metrics.operation:InputTokens",
    "instructions": "lm_eval_so.evaluator.metrics.form.instructions:Instructions",
    "invariance": "lm_eval_so.evaluator.metrics.derived.invariance:Invariance",
    "json_match": "lm_eval_so.evaluator.metrics.structure.json_match:JsonMatch",
    "json_schema": "lm_eval_so.evaluator.metrics.structure.json_schema:JsonSchema",
    "keyword_coverage": "lm_eval_so.evaluator.metrics.text.wording:KeywordCoverage",
    "language_match": "lm_eval_so.evaluator.metrics.form.language:LanguageMatch",
    "latency_ms": "lm_eval_so.evaluator.metrics.operation:LatencyMs",
    "length": "lm_eval_so.evaluator.metrics.form.length:Length",
    "llm_judge": "lm_eval_so.evaluator.metrics.judge.llm_judge:LLMJudge",
    "llm_scale": "lm_eval_so.evaluator.metrics.judge.llm_scale:LLMScale",
    "numeric_match": "lm_eval_so.evaluator.metrics.text.numeric:NumericMatch",
    "output_tokens": "lm_eval_so.evaluator.metrics.operation:OutputTokens",
    "pairwise": "lm_eval_so.evaluator.metrics.judge.pairwise:Pairwise",
    "pii_leak": "lm_eval_so.evaluator.metrics.safety.pii:PiiLeak",
    "python": "lm_eval_so.evaluator.metrics.python_function:PythonFunction",
    "refusal": "lm_eval_so.evaluator.metrics.safety.behavior:Refusal",
    "regex": "lm_eval_so.evaluator.metrics.text.wording:Regex",
    "retrieval": "lm_eval_so.evaluator.metrics.structure.retrieval:Retrieval",
    "rouge_l": "lm_eval_so.evaluator.metrics.text.rouge:RougeL",
    "token_f1": "lm_eval_so.evaluator.metrics.text.overlap:TokenF1",
    "tokens_per_s": "lm_eval_so.evaluator.metrics.operation:TokensPerS",
    "tool_call": "lm_eval_so.evaluator.metrics.structure.tool_call:ToolCall",
    "toxicity_keyword": "lm_eval_so.evaluator.metrics.safety.toxicity:ToxicityKeyword",
    "ttft_ms": "lm_eval_so.evaluator.metrics.operation:TtftMs",
    "turns": "lm_eval_so.evaluator.scoring.turns:Turns",
}
"""Class of each name, as module:Class; nothing is imported to list the names."""


def snake_case(name: str) -> str:
    """Return a class's name as a metric's: MyMetric → my_metric, LLMJudge → llm_judge."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return parts.lower()
