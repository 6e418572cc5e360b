"""Dataset to verdict: `measure.py` runs the stages of a `Plan`, `verdict.py` compares two reports."""
