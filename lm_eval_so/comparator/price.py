"""What one more sample would cost."""

from lm_eval_so.core.records.costs import CostSummary


def price_of_sample(cost: CostSummary, samples: int) -> float | None:
    """Give what a sample costs in US dollars: the chatbot, simulated users and judges together.

    Answers from the cache count with what they cost when they were asked.

    Args:
        cost: What a report cost.
        samples: Samples in it.

    Returns:
        None if the price of one of the parts is not known at all.
    """
    saved = cost.bot_saved_usd or 0.0
    paid = None if cost.bot_usd is None and not saved else (cost.bot_usd or 0.0) + saved
    parts = [
        _for_all_rows(paid, cost.bot_priced, cost.bot_rows),
        _for_all_rows(cost.simulator_usd, cost.simulator_priced, cost.simulator_rows),
        _for_all_rows(cost.judges_usd, cost.judges_priced, cost.judges_rows),
    ]
    known = [part for part in parts if part is not None]
    return sum(known) / samples if samples and len(known) == len(parts) else None


def _for_all_rows(usd: float | None, priced: int, rows: int) -> float | None:
    """Give what all rows cost if those without a known price cost as much as the others."""
    if not rows:
        return usd or 0.0
    return usd / priced * rows if usd is not None and priced else None
