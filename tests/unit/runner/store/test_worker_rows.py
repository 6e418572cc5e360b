import json
import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from lm_eval_so.core.records.codec import dump_row
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.runner.store.worker_rows import add_left_parts

ROWS = st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=12)
INFO = {
    "schema": "lm-eval-so/run-info/1",
    "state": "running",
    "suite": "test",
    "config_digest": "",
    "fingerprint": "f",
    "reach": "",
    "backend": {"name": "scripted", "label": "bot"},
    "dataset": {"name": "d", "digest": "", "n": 10},
    "repeats": 1,
    "seed": 7,
    "planned": 10,
    "counts": {},
    "requests": 0,
    "started_at": "2026-01-01T00:00:00.000Z",
}


def lines(rows: list[tuple[int, bool]]) -> list[str]:
    return [
        dump_row(
            RunResult(
                sample_id=str(number),
                sample_hash="0" * 64,
                status=RunStatus.OK if is_good else RunStatus.ERROR,
                fingerprint="f",
            )
        )
        + "\n"
        for number, is_good in rows
    ]


def write(folder: Path, texts: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run_results.jsonl").write_text("".join(texts), "utf-8")


@settings(max_examples=40)
@given(ROWS, st.lists(ROWS, min_size=1, max_size=4), st.integers(0, 60), st.integers(0, 40))
def test_add_left_parts__each_row_counts_once_wherever_it_was_killed(
    log: list[tuple[int, bool]], parts: list[list[tuple[int, bool]]], copied: int, cut: int
) -> None:
    """A leader that was killed between any two rows that it copied, a worker within its last one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run.json").write_text(json.dumps(INFO), "utf-8")
        texts = [lines(part) for part in parts]
        there = {number for number, is_good in log if is_good}
        again: list[str] = []
        for part, own in zip(parts, texts, strict=True):
            for (number, is_good), text in zip(part, own, strict=True):
                if len(again) < copied and number not in there:  # what it had copied already
                    again.append(text)
                    there |= {number} if is_good else set()
        write(folder, lines(log) + again)
        for place, own in enumerate(texts):
            half = lines([(0, True)])[0][:cut]
            write(part := folder / "parts" / f"{place:06}", [*own, half])
            (part / ".run.json.x7").write_text("{", "utf-8")  # killed while it wrote that
        add_left_parts(folder)
        assert not (folder / "parts").exists()
        assert add_left_parts(folder) == 0
        text = (folder / "run_results.jsonl").read_text("utf-8")
        found = [json.loads(line) for line in text.splitlines()]
        good = [row["sample_id"] for row in found if row["status"] == "ok"]
        of_parts = {str(number) for part in parts for number, is_good in part if is_good}
        of_log = [str(number) for number, is_good in log if is_good]
        assert set(good) == of_parts | set(of_log)
        assert len(good) == len(set(good)) + len(of_log) - len(set(of_log))


def test_add_left_parts__leaves_what_is_no_part(tmp_path: Path) -> None:
    run, own = tmp_path / "run", tmp_path / "own"
    write(run, lines([(1, True)]))
    (run / "run.json").write_text(json.dumps(INFO), "utf-8")
    write(run / "parts" / "000000", lines([(2, True)]))
    write(run / "parts" / "brakes", lines([(3, True)]))
    (run / "parts" / "brakes" / "drawing.txt").write_text("mine", "utf-8")
    write(own, lines([(4, True)]))
    (run / "parts" / "link").symlink_to(own)
    assert add_left_parts(run) == 1
    assert {path.name for path in (run / "parts").iterdir()} == {"brakes", "link"}
    assert (run / "parts" / "brakes" / "drawing.txt").exists()
    assert (own / "run_results.jsonl").exists()


def test_add_left_parts__a_folder_without_a_run_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "parts" / "000000", lines([(1, True)]))
    assert add_left_parts(tmp_path) == 0
    assert (tmp_path / "parts" / "000000").is_dir()
    shutil.rmtree(tmp_path / "parts")
    assert add_left_parts(tmp_path) == 0
