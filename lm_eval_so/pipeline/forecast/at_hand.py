"""Places of answers at hand: reports and runs of the config, and which of these another chatbot gave."""

from collections.abc import Iterator
from pathlib import Path

from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.errors import InputError
from lm_eval_so.pipeline.forecast.subject import Subject
from lm_eval_so.runner import run as running
from lm_eval_so.runner.store.run_dir import RESULTS_FILE, read_info

REPORT_FILE = "report.json"


def places_of_reports(subject: Subject) -> Iterator[Path | None]:
    """Yield the files of reports; None stands for the baseline, which may stand in git."""
    yield None
    last = subject.config.resolve(subject.config.report.out)
    for folder in (last, *asked_folders(subject)):
        if (folder / REPORT_FILE).is_file():
            yield folder / REPORT_FILE


def runs_at_hand(subject: Subject) -> Iterator[Path]:
    """Yield the last run, those before it, and those that were asked for a forecast."""
    last = running.run_folder(subject.config)
    yield last
    yield from numbered(last.parent, f"{last.name}.")
    yield from asked_folders(subject)


def asked_folders(subject: Subject) -> list[Path]:
    """Return the folders of runs that were asked for a forecast, in their order."""
    return numbered(subject.folder)


def numbered(folder: Path, prefix: str = "") -> list[Path]:
    """Return the folders in a folder whose names are a prefix and a number, by number."""
    if not folder.is_dir():
        return []
    names = {path.name.removeprefix(prefix): path for path in folder.glob(f"{prefix}*")}
    numbers = sorted(int(name) for name in names if name.isdecimal() and name.isascii())
    return [names[str(number)] for number in numbers if str(number) in names]


def identity_of(subject: Subject, folder: Path | None, started_at: str | None) -> str:
    """Return the identity of a run: its folder if it was asked here, else the time of its start."""
    if folder is not None and folder.resolve().parent == subject.folder.resolve():
        return f"asked {folder.name}"
    return started_at or ""


def runs_of_others(subject: Subject) -> Iterator[tuple[str, Path]]:
    """Yield the identities and folders of runs in which cases broke for good.

    Behind an unchanged address the chatbot may have changed, and no fingerprint tells it.
    """
    for folder in runs_at_hand(subject):
        try:
            info = info_of(subject, folder)
        except InputError:  # told where its answers are looked at
            continue
        if info is not None and info.broken:
            yield identity_of(subject, folder, info.started_at), folder


def is_run(path: Path) -> bool:
    """Return whether a path is a run that has no report."""
    return (path / RESULTS_FILE).is_file() and not (path / REPORT_FILE).is_file()


def next_folder(subject: Subject) -> tuple[Path, RunInfo | None]:
    """Return the folder of a run to go on with, or of a new one."""
    folders = asked_folders(subject)
    for folder in folders:
        info = read_info(folder)
        is_whole = (folder / REPORT_FILE).is_file()
        if info is not None and info.fingerprint == subject.chatbot and not is_whole:
            return folder, info
    number = int(folders[-1].name) + 1 if folders else 1
    return subject.folder / str(number), None


def info_of(subject: Subject, folder: Path) -> RunInfo | None:
    """Return what a run says of itself; None if there is none, or if another chatbot was asked.

    Raises:
        InputError: If it cannot be read.
    """
    info = read_info(folder)
    return info if info is not None and info.fingerprint == subject.chatbot else None
