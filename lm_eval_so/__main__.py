"""The command: `lm-eval-so`, the same as `python -m lm_eval_so`."""

from lm_eval_so.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
