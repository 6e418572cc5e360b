"""One writer a folder."""

import fcntl
import os
import socket
from pathlib import Path

from lm_eval_so.core.files import cannot_write
from lm_eval_so.errors import UsageError, Where

LOCK_FILE = "run.lock"


class FolderLock:
    """Holds a folder for this process; the kernel lets go of it if the process dies.

    Raises:
        UsageError: If another process holds it; names its id and machine.
        InputError: If the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._take()
            self._sign()
        except BlockingIOError:
            holder = self._path.read_text("utf-8", "replace").strip() or "another process"
            what = f"{folder} is being written by {holder}"
            hint = "wait for it to end, or choose another folder with -o"
            raise UsageError(what, where=Where(file=str(self._path)), hint=hint) from None
        except OSError as error:
            raise cannot_write(self._path, error) from None

    def release(self) -> None:
        """Let go of the folder."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _sign(self) -> None:
        """Say in the file who holds the folder."""
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
