"""What a sample asks and what the chatbot may rest on, as text for people and judges."""

from lm_eval_so.core.records.sample import TestSample


def shown_input(sample: TestSample) -> str:
    """Give what is asked: the text of a single message, else the turns, each after its role."""
    turns = [message for message in sample.messages if message.role != "system"]
    if len(turns) == 1:
        return turns[0].content
    return "\n\n".join(f"{turn.role}: {turn.content}" for turn in turns)


def shown_context(sample: TestSample) -> str:
    """Give the passages that an answer may rest on, in their order; never a distractor."""
    return "\n\n".join(p.text for p in sample.context if p.role in {"gold", "given"})
