"""Functions that know all stages, for the command of one stage, which knows no other."""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_eval_so.comparator.baseline.find import Place
    from lm_eval_so.core.config.model import Config
    from lm_eval_so.core.events import Event, Listener
    from lm_eval_so.errors import Problem
    from lm_eval_so.pipeline.check import Stage


class AllStages:
    """Functions of the whole pipeline."""

    @staticmethod
    def check(
        config: "Config", environ: Mapping[str, str], *, needs: "Collection[Stage]"
    ) -> "Iterable[Problem]":
        """Find all problems of a config; arguments as of `pipeline.check.check`."""
        from lm_eval_so.pipeline.check import check

        return check(config, environ, needs=needs)

    @staticmethod
    def tell_further(config: "Config", rows: int) -> "Iterable[Event]":
        """Tell how many requests a verdict may take; arguments as of `until_decided.tell_further`."""
        from lm_eval_so.pipeline.measure.until_decided import tell_further

        return tell_further(config, rows)

    @staticmethod
    def plan(
        config: "Config", listener: "Listener", *, place: "Place | None" = None, as_json: bool
    ) -> Mapping[str, Any]:
        """Return the plan of the gate as a fact of a command.

        Args:
            config: Config without problems.
            listener: Gets a warning for each earlier result that cannot be read.
            place: Place of the baseline, over the config's.
            as_json: Whether it is an object, and not a line for people.
        """
        from lm_eval_so.core.words.plan_lines import plan_fact
        from lm_eval_so.pipeline.look_ahead import plan_gate

        return plan_fact(plan_gate(config, listener, place=place), as_json=as_json)
