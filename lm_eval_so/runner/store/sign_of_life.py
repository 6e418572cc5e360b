"""The file `leader.json` of a run that several machines ask: who leads it, and whether it still does.

The lock of the folder keeps two leaders on one machine apart, but not everywhere two machines.
"""

import asyncio
import json
import os
import secrets
import socket
import time
from pathlib import Path
from typing import Any

from lm_eval_so.core.files import write_atomic
from lm_eval_so.errors import CannotMeasure, UsageError, Where

LEADER_FILE = "leader.json"
_BEAT_S = 2.0
_UNTIL_ENDED_S = 4 * _BEAT_S
_STALE_S = 60.0
"""Age of a sign of life above which a leader counts as dead."""


class Leader:
    """The part of this process that leads a run.

    Args:
        folder: Folder of the run, locked.
    """

    def __init__(self, folder: Path) -> None:
        self.id = secrets.token_hex(4)
        """Its name; those of its workers begin with it."""
        self._folder = folder
        self._write()

    def beat(self) -> None:
        """Renew the sign of life, unless the last one is fresh.

        Raises:
            CannotMeasure: If another process has taken over.
        """
        if time.monotonic() - self._beat_at < _BEAT_S:
            return
        if not is_led_by(self._folder, self.id):
            what = f"{_who(_read(self._folder))} has taken over {self._folder}"
            raise CannotMeasure(what, hint="it goes on with what is there; nothing is lost")
        self._write()

    def resign(self) -> None:
        """Remove the file, if it is still this leader's."""
        if is_led_by(self._folder, self.id):
            (self._folder / LEADER_FILE).unlink(missing_ok=True)

    def _write(self) -> None:
        self._beat_at = time.monotonic()
        facts = {
            "id": self.id,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "alive_at": round(time.time(), 3),
        }
        write_atomic(self._folder / LEADER_FILE, json.dumps(facts) + "\n")


def refuse_other_leader(folder: Path) -> None:
    """Refuse a run that a process on another machine leads, and forget one on this machine.

    Args:
        folder: Folder of the run, locked, so that no process on this machine leads it.

    Raises:
        UsageError: If the sign of life is fresh.
    """
    found, file = _read(folder), folder / LEADER_FILE
    if not found:
        return
    seconds = time.time() - float(found.get("alive_at") or 0)
    if found.get("host") != socket.gethostname() and seconds < _STALE_S:
        what = f"{folder} is led by {_who(found)}, which was alive {max(0.0, seconds):.0f} s ago"
        hint = (
            f"wait for its end; if it is dead, wait {_STALE_S:g} s, or add --engine ray --take-over"
        )
        raise UsageError(what, where=Where(file=str(file)), hint=hint)
    file.unlink(missing_ok=True)


async def take_over(folder: Path) -> None:
    """Tell the leader of a run to stop, wherever it is, and wait until it has.

    It looks every few seconds; machines may not see each other's locks, so that time must do.
    """
    if _read(folder):
        Leader(folder)
        await asyncio.sleep(_UNTIL_ENDED_S)


def is_led_by(folder: Path, leader_id: str) -> bool:
    """Return whether this machine sees the folder of a run, as its leader has written it."""
    return bool(_read(folder).get("id") == leader_id)


def _read(folder: Path) -> dict[str, Any]:
    """Return what the file says; nothing if there is none, or half of one."""
    try:
        found = json.loads((folder / LEADER_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _who(found: dict[str, Any]) -> str:
    return f"process {found.get('process')} on {found.get('host')}" if found else "another process"
