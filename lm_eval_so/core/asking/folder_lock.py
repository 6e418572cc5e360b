"""A folder that one process writes to, and files in it that lead nowhere else."""

import fcntl
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from lm_eval_so.core.files import cannot_write
from lm_eval_so.errors import InputError, UsageError, Where


class FolderLock:
    """Lock of a folder for this process; the kernel releases it if the process dies.

    Args:
        path: File of the lock, in that folder, which is made if it is not there.
        hint: Advice if another process holds it.

    Raises:
        UsageError: If another process holds it; names its id and machine.
        InputError: If the folder cannot be written to.
    """

    def __init__(self, path: Path, *, hint: str) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._take()
            self._sign()
        except BlockingIOError:
            holder = self._path.read_text("utf-8", "replace").strip() or "another process"
            what = f"{path.parent} is being written by {holder}"
            raise UsageError(what, where=Where(file=str(self._path)), hint=hint) from None
        except OSError as error:
            raise cannot_write(self._path, error) from None

    def release(self) -> None:
        """Release the folder."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _sign(self) -> None:
        """Write the holder of the folder into the file."""
        try:
            os.ftruncate(self._descriptor, 0)
            who = f"process {os.getpid()} on {socket.gethostname()}\n"
            os.write(self._descriptor, who.encode())
        except OSError:
            self.release()
            raise

    def _take(self) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # the holder before us may have removed the file that we have just locked
                if os.path.samestat(os.fstat(descriptor), self._path.stat()):
                    return descriptor
            except FileNotFoundError:
                pass
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)


def refuse_linked(folder: Path, names: Iterable[str], *, hint: str) -> None:
    """Refuse links among the files of a folder: a link in a checkout may lead anywhere.

    Raises:
        InputError: If a file is a link.
    """
    for file in (folder / name for name in names):
        if file.is_symlink():
            what = f"{file} is a link, and is not written through"
            raise InputError(what, where=Where(file=str(file)), hint=hint)
