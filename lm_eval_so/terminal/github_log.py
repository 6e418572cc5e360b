"""Events in GitHub's log: groups and annotations."""

from typing import TextIO

from lm_eval_so.core.events import Began, Ended, Event, Moved, Noticed, Warned
from lm_eval_so.core.templates.safe import escape_data
from lm_eval_so.terminal.lines import PlainLines


class GitHubLines:
    """Stages as groups, warnings as annotations; foreign text cannot start a workflow command."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines = PlainLines(stream)
        self._open = False

    def listen(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Began():
                self._end_group()
                title = escape_data(f"{event.stage} {event.text}".strip())
                self._stream.write(f"::group::{title}\n")
                self._open = True
                self._lines.listen(event)
            case Warned():
                text = f"{event.text}; {event.hint}" if event.hint else event.text
                self._stream.write(f"::warning title={event.stage}::{escape_data(text)}\n")
            case Ended():
                self._lines.listen(event)
                self._end_group()
            case Moved() | Noticed():
                self._lines.listen(event)
        self._stream.flush()

    def close(self) -> None:
        """Close the group that is open."""
        self._end_group()

    def _end_group(self) -> None:
        if self._open:
            self._stream.write("::endgroup::\n")
            self._open = False
