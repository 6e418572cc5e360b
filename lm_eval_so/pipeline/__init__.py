"""The composition of the stages; no logic of its own."""
