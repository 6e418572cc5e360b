"""Asking by a batch service: `collected.py` for stages that ask bit by bit; a run hands over its rows by `chunks.py`."""
