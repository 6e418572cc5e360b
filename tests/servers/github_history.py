"""The part of GitHub's API that reads commits, answered from a real git repository."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

Answer = tuple[int, Any, dict[str, str]]
_MISSING: Answer = (404, {"message": "Not Found"}, {})
_RAW = {"Content-Type": "application/vnd.github.raw+json; charset=utf-8"}


def answer_of(
    folder: Path, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> Answer | None:
    """Answer a GET below a repository; None if it is about something else.

    Args:
        folder: The git repository.
        path: Path behind the repository's, still quoted.
        query: Parameters of the address.
        headers: Headers of the request, in lower case.
    """
    if match := re.fullmatch(r"/commits/([^/]+)", path):
        commit = _commit(folder, unquote(match[1]))
        return (200, _described(folder, commit), {}) if commit else _no_commit(match[1])
    if path == "/commits":
        listed = _git(folder, "rev-list", "-n", query["per_page"], query["sha"], "--")
        if listed is None:
            return _no_commit(query["sha"])
        return 200, [_described(folder, each) for each in listed.decode().split()], {}
    if match := re.fullmatch(r"/compare/([^/]+)\.\.\.([^/]+)", path):
        base = _git(folder, "merge-base", *map(unquote, match.groups()))
        return (
            (200, {"merge_base_commit": {"sha": base.decode().strip()}}, {}) if base else _MISSING
        )
    if match := re.fullmatch(r"/contents/(.+)", path):
        return _content(folder, unquote(match[1]), query["ref"], headers.get("accept", ""))
    return None


def _content(folder: Path, path: str, ref: str, accept: str) -> Answer:
    asked = f"{ref}:{path}\n".encode()
    batch = _git(folder, "cat-file", "--batch", "--follow-symlinks", given=asked)
    head, _, rest = (batch or b"").partition(b"\n")
    if match := re.fullmatch(rb"[0-9a-f]+ blob ([0-9]+)", head):
        assert "raw" in accept
        return 200, rest[: int(match[1])], _RAW
    if b" tree " in head:
        return 200, [], {}
    return _MISSING


def _commit(folder: Path, ref: str) -> str | None:
    named = f"refs/{ref}" if ref.startswith(("heads/", "tags/")) else ref
    found = _git(folder, "rev-parse", "--verify", "--quiet", f"{named}^{{commit}}")
    return found.decode().strip() if found else None


def _described(folder: Path, commit: str) -> dict[str, Any]:
    parents = _git(folder, "rev-parse", f"{commit}^@") or b""
    return {"sha": commit, "parents": [{"sha": each} for each in parents.decode().split()]}


def _no_commit(ref: str) -> Answer:
    return 422, {"message": f"No commit found for SHA: {ref}"}, {}


def _git(folder: Path, *arguments: str, given: bytes = b"") -> bytes | None:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=given, capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else None
