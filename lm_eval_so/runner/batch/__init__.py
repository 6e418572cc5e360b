"""The executor `batch`: `executor.py` is the door, `batch.py` the pass over the rows, `service.py` the service."""
