"""The one comment of a suite on a pull request: found, compared, created or updated."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol, TypeVar

from lm_eval_so.action.github.failures import RequestFailed
from lm_eval_so.action.github.pulls import Comment, Pulls
from lm_eval_so.action.marker import State, digest, header, is_same, marker
from lm_eval_so.action.target import MOST_COMMENTS, Target
from lm_eval_so.core.templates.safe import utf16_units

T = TypeVar("T")

LEVELS: Final = 6
"""Levels of detail: 0 is all, the last one the verdict and its sentence, which always fits."""

_ATTEMPTS: Final = LEVELS
_LONGEST_WAIT_S: Final = 60.0
_AFTER_SILENCE_S: Final = 2.0
_LONGEST_WAIT_IN_ALL_S: Final = 120.0
_WAIT_IF_NOT_TOLD_S: Final = 60.0


class Bodies(Protocol):
    """Text of a comment by level of detail."""

    def __call__(self, level: int, before: State | None = None, /) -> str:
        """Return the text.

        Args:
            level: Level of detail, 0 (all) to `LEVELS` − 1.
            before: State of the comment until now, if known.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Result of publishing."""

    url: str = ""
    """Address of the comment with our text."""
    written: bool = False
    """Whether something was written now."""
    failed: bool = False
    """Whether there was a comment to post and it could not be posted."""
    before: State | None = None
    """State of the comment before."""
    notices: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time for publishing; a test may have its own."""

    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = field(default=lambda: random.uniform(0.3, 0.9))  # noqa: S311
    """Seconds to let a run beside this one finish its write."""


def publish(
    bodies: Bodies, target: Target, pulls: Pulls, *, clock: Clock | None = None
) -> Published:
    """Create or update the suite's comment; simultaneous runs end with one comment.

    Args:
        bodies: Text of the comment by level of detail.
        target: The comment to write.
        pulls: The pull requests of the repository.
        clock: Waits; default: real time.

    Returns:
        The result; a failure is told, not raised.
    """
    publisher = _Publisher(bodies, target, pulls, clock or Clock())
    failed, notices = False, []
    try:
        publisher.converge()
    except _Stop as reason:
        notices.append(str(reason))
    except RequestFailed as error:
        failed = not publisher.written
        publisher.warnings.append(_explain(error, target.pull, is_written=publisher.written))
    return Published(
        url=publisher.url,
        written=publisher.written,
        failed=failed,
        before=publisher.before,
        notices=tuple(notices),
        warnings=tuple(publisher.warnings),
    )


class _Stop(Exception):  # noqa: N818 - no error
    """Nothing is to be written, for a good reason."""


class _Publisher:
    """State on the way to one comment: writes, waits and answers of GitHub."""

    def __init__(self, bodies: Bodies, target: Target, pulls: Pulls, clock: Clock) -> None:
        self.url = ""
        self.written = False
        self.before: State | None = None
        self.warnings: list[str] = []
        self._bodies = bodies
        self._target = target
        self._pulls = pulls
        self._clock = clock
        self._marker = marker(target.suite_id)
        self._me = ""
        self._level = 0
        self._waited_s = 0.0
        self._may_have_posted = False
        self._created: Comment | None = None
        """Answer to our own POST; the list may not show it yet."""
        self._is_listed = True

    def converge(self) -> None:
        """Write until the lowest comment of ours holds our text."""
        self._guard()
        self._me = self._pulls.viewer()
        for _ in range(_ATTEMPTS):
            mine = self._mine()
            earlier = State.read(mine[0].body) if mine else State()
            self.before = self.before or earlier
            text = self._fitting_text(earlier)
            if mine:
                self._yield_to_newer(mine[0])
                if self._tells_the_same(earlier):
                    self.url = mine[0].url
                    raise _Stop(f"nothing changed since {self.url}; it is left as it is")
            if not mine or not is_same(mine[0].body, text):
                if not self._write(mine, text):
                    continue
                self._clock.sleep(self._clock.jitter())
                mine = self._mine()
            self._delete(mine[1:])
            if mine and header(mine[0].body) == header(text):
                self.url = mine[0].url
                if self._is_listed:
                    return
                self._clock.sleep(self._clock.jitter())  # another run's may be hidden as ours is
        if self._created and not self._is_listed:
            return
        raise RequestFailed("other runs keep writing the same comment", status=None)

    def _tells_the_same(self, earlier: State) -> bool:
        """Return whether nothing is to be written, since nothing changed since the comment."""
        target = self._target
        if not target.is_for_change or self.written or target.verdict is None:
            return False
        return (earlier.verdict, earlier.regressed) == (target.verdict, target.regressed)

    def _guard(self) -> None:
        pull = self._patiently(lambda: self._pulls.get(self._target.pull))
        if not pull.is_open:
            raise _Stop(f"pull request #{pull.number} is closed; no comment is written")
        if pull.head != self._target.head:
            what = f"stale head: #{pull.number} has moved on to {pull.head[:7]}"
            raise _Stop(f"{what}; no comment is written")

    def _mine(self) -> list[Comment]:
        number = self._target.pull
        found = self._patiently(lambda: self._pulls.comments(number, most=MOST_COMMENTS))
        mine = [
            comment
            for comment in found
            if comment.author.lower() == self._me.lower()
            and header(comment.body)[0] == self._marker
        ]
        ours = self._created
        self._is_listed = ours is None or any(comment.id == ours.id for comment in mine)
        if ours and not self._is_listed:
            mine.append(ours)
        return sorted(mine, key=lambda comment: comment.id)

    def _write(self, mine: list[Comment], text: str) -> bool:
        """Send the text once; False if the comments must be looked at again first."""
        # A POST without a clear answer may have made a comment; a second one would double it.
        if not mine and self._may_have_posted:
            raise RequestFailed("GitHub did not say whether it took the comment", status=None)
        self._guard()
        number = self._target.pull
        try:
            if mine:
                found = mine[0].id
                comment = self._patiently(lambda: self._pulls.update(number, found, text))
            else:
                comment = self._create(text)
        except RequestFailed as error:
            if mine and error.status == HTTPStatus.NOT_FOUND:
                self._forget(mine[0])
                return False
            if error.may_have_happened:
                self._clock.sleep(_AFTER_SILENCE_S)
                return False
            if error.status == HTTPStatus.UNPROCESSABLE_ENTITY and "too long" in error.what:
                self._level += 1
                return False
            raise
        self.written, self.url = True, comment.url
        return True

    def _create(self, text: str) -> Comment:
        try:
            comment = self._patiently(lambda: self._pulls.create(self._target.pull, text))
        except RequestFailed as error:
            self._may_have_posted = error.may_have_happened
            raise
        self._me = comment.author or self._me
        self._created = comment
        return comment

    def _delete(self, duplicates: list[Comment]) -> None:
        for comment in duplicates:
            try:
                self._pulls.delete(self._target.pull, comment.id)
            except RequestFailed as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    self.warnings.append(f"a duplicate comment stays: {error.what}")
                    continue
            self._forget(comment)

    def _forget(self, comment: Comment) -> None:
        """Take a comment as gone, so that the list alone counts."""
        if self._created and self._created.id == comment.id:
            self._created, self._is_listed = None, True

    def _fitting_text(self, earlier: State) -> str:
        for level in range(self._level, LEVELS):
            text = self._text(level, earlier)
            if utf16_units(text) <= self._target.max_chars:
                self._level = level
                return text
        raise RequestFailed("the comment is too long even without details", status=None)

    def _text(self, level: int, earlier: State) -> str:
        body = self._bodies(level, earlier)
        target = self._target
        state = State(
            run=target.run_id,
            attempt=target.run_attempt,
            job="" if target.is_guess else digest(target.job),
            head=target.head,
            sum=digest(body),
            verdict=target.verdict or earlier.verdict,
            at=target.head if target.verdict else earlier.at,
            regressed=target.regressed if target.verdict else "",
        )
        return f"{self._marker}\n{state.line()}\n{body}"

    def _yield_to_newer(self, comment: Comment) -> None:
        theirs = State.read(comment.body)
        ours = (self._target.run_id, self._target.run_attempt)
        if theirs.head == self._target.head and theirs.age > ours:
            raise _Stop(f"a newer result is present: {comment.url}")
        if theirs.age == ours and self._target.is_guess:
            raise _Stop(f"this run has written {comment.url} already; it is left")
        if theirs.age == ours and theirs.job and theirs.job != digest(self._target.job):
            what = f'two jobs of this run write the comment of "{self._target.suite_id}"'
            if self.written:
                raise _Stop(f"{what}; the other one's is left")
            self.warnings.append(f"{what}; give each its own suite_id")

    def _patiently(self, call: Callable[[], T]) -> T:
        """Make a call, and again after the wait that GitHub asks for, if it is bearable."""
        while True:
            try:
                return call()
            except RequestFailed as error:
                wait = error.retry_after_s or _WAIT_IF_NOT_TOLD_S
                too_long = self._waited_s + wait > _LONGEST_WAIT_IN_ALL_S
                if not error.is_rate_limit or wait > _LONGEST_WAIT_S or too_long:
                    raise
                self._waited_s += wait
                self._clock.sleep(wait)


def _explain(error: RequestFailed, pull: int, *, is_written: bool) -> str:
    what = f"{'the comment was not checked' if is_written else 'no comment'} on #{pull}: "
    status = f" (HTTP {error.status})" if error.status else ""
    if error.is_rate_limit:
        wait = f", asks to wait {error.retry_after_s:,.0f} s" if error.retry_after_s else ""
        return f"{what}GitHub limits the rate{wait}{status}"
    if error.status == HTTPStatus.UNAUTHORIZED:
        return f"{what}GitHub refuses the token{status}; check github_token"
    if error.status == HTTPStatus.FORBIDDEN and "locked" in error.what.lower():
        return f"{what}the conversation is locked{status}"
    if error.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        asked = f"; the API asks for {error.permissions}" if error.permissions else ""
        line = "give the job `permissions: {contents: read, pull-requests: write}`"
        return f"{what}{error.what}{status}{asked}; {line}"
    return f"{what}{error.what}{status}"
