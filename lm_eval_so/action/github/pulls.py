"""Pull requests and their comments."""

from dataclasses import dataclass
from typing import Final

from github.IssueComment import IssueComment
from github.PullRequest import PullRequest
from github.Repository import Repository

from lm_eval_so.action.github.failures import RequestFailed, translated

ACTIONS_BOT: Final = "github-actions[bot]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment of a pull request."""

    id: int
    author: str
    body: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request."""

    number: int
    is_open: bool
    head: str
    """Commit at its head."""
    head_repository: int | None
    """Id of the repository that the head is in; null if it is gone."""
    base_repository: int
    base: str
    """Branch that it is to be merged into."""


class Pulls:
    """The pull requests of a repository; each call is one request, and raises `RequestFailed`."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def viewer(self) -> str:
        """Return the login of the token; the workflow's token may not ask, and is the bot's."""
        try:
            with translated():
                _, data = self._repository.requester.graphql_query("query { viewer { login } }", {})
                login = data["data"]["viewer"]["login"]
        except (RequestFailed, KeyError, TypeError):
            return ACTIONS_BOT
        return login if isinstance(login, str) and login else ACTIONS_BOT

    def get(self, number: int) -> Pull:
        """Return a pull request."""
        with translated():
            return _pull(self._repository.get_pull(number))

    def open_of(self, branch: str) -> tuple[Pull, ...]:
        """Return the open pull requests of owner:branch."""
        with translated():
            return tuple(
                _pull(pull) for pull in self._repository.get_pulls(state="open", head=branch)
            )

    def comments(self, number: int, *, most: int) -> tuple[Comment, ...]:
        """Return all comments of a pull request, oldest first.

        Raises:
            RequestFailed: Also if there are more than `most`.
        """
        found: list[Comment] = []
        with translated():
            for comment in self._repository.get_issue(number).get_comments():
                found.append(_comment(comment))
                if len(found) > most:
                    raise RequestFailed(f"more than {most:,} comments", status=200)
        return tuple(found)

    def create(self, number: int, body: str) -> Comment:
        """Write a new comment."""
        with translated():
            return _comment(self._repository.get_issue(number).create_comment(body))

    def update(self, number: int, comment_id: int, body: str) -> Comment:
        """Replace the text of a comment."""
        with translated():
            comment = self._repository.get_issue(number).get_comment(comment_id)
            comment.edit(body)
            return _comment(comment)

    def delete(self, number: int, comment_id: int) -> None:
        """Delete a comment."""
        with translated():
            self._repository.get_issue(number).get_comment(comment_id).delete()


def _pull(pull: PullRequest) -> Pull:
    head, base = pull.head, pull.base
    return Pull(
        number=pull.number,
        is_open=pull.state == "open",
        head=head.sha,
        head_repository=getattr(head.repo, "id", None),  # a deleted fork is null
        base_repository=base.repo.id,
        base=base.ref,
    )


def _comment(comment: IssueComment) -> Comment:
    author = getattr(comment.user, "login", "")  # a deleted account has no user
    return Comment(id=comment.id, author=author, body=comment.body or "", url=comment.html_url)
