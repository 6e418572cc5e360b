"""The models of `lm-eval-so.yaml` and how it is read."""
