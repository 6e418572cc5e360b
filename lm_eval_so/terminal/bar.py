"""A progress bar in a terminal."""

import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from lm_eval_so.core.events import Began, Concluded, Ended, Event, Moved, Noticed, Warned
from lm_eval_so.terminal.lines import RecentRate, progress_line, screen_lines, visible


class Bar:
    """One bar for the stage that is under way; lines stand above it."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        self._console = Console(
            file=stream, no_color=not color, highlight=False, emoji=False, markup=False
        )
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[line]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._total: int | None = None
        self._rate = RecentRate(time.monotonic())

    def listen(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Began():
                self._end()
                self._total, self._rate = event.total, RecentRate(time.monotonic())
                if event.text:
                    self._print(f"{event.stage}: {event.text}")
                if event.total is not None:
                    self._progress.start()
                    self._task = self._progress.add_task(event.stage, total=event.total, line="")
            case Moved():
                if self._task is not None:
                    rate = self._rate.update(time.monotonic(), event.done - event.already)
                    line = progress_line(event, self._total, rate)
                    self._progress.update(self._task, completed=event.done, line=line)
            case Warned():
                self._print(f"warning: {event.text}", style="yellow")
                if event.hint:
                    self._print(f"  hint: {event.hint}")
            case Noticed():
                self._print(f"{event.stage}: {event.text}")
            case Ended():
                self._end()
                self._print(f"{event.stage}: {event.text}")
            case Concluded():
                self._end()
                for line in screen_lines(event):
                    self._print(line, style="bold" if line == event.headline else "")

    def close(self) -> None:
        """Take the bar away."""
        self._end()

    def _end(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._progress.stop()
            self._task = None

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(visible(text), style=style), soft_wrap=True)
