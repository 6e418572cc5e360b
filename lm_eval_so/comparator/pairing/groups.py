"""Samples that come in groups, as turns of a conversation do."""

from collections.abc import Hashable, Sequence

from lm_eval_so.core.stats.groups import Layout, lay_out


class Groups:
    """The group of each paired sample; metrics with the same samples share what was found.

    Args:
        labels: One per sample.
    """

    def __init__(self, labels: Sequence[Hashable]) -> None:
        self.labels = labels
        self._layout: Layout | None = None

    @property
    def layout(self) -> Layout:
        """The samples in the order of their groups."""
        if self._layout is None:
            self._layout = lay_out(range(len(self.labels)), self.labels)
        return self._layout

    @property
    def units(self) -> int:
        """How many groups there are."""
        return self.layout.units

    def at(self, positions: Sequence[int]) -> "Groups":
        """Return the groups of some of the samples."""
        if len(positions) == len(self.labels):
            return self
        return Groups([self.labels[position] for position in positions])


def groups_of(labels: Sequence[str | None], samples: Sequence[Sequence[int]]) -> Groups | None:
    """Return the group of each sample, its position where it has none; None if all stand alone.

    Args:
        labels: The group of each row.
        samples: The rows of each sample.
    """
    found = [labels[rows[0]] for rows in samples]
    absent = found.count(None)
    if absent == len(found) or len(set(found) - {None}) == len(found) - absent:
        return None
    if absent:
        return Groups([i if label is None else label for i, label in enumerate(found)])
    return Groups(found)
