from pathlib import Path

import pytest

from lm_eval_so.core.asking.batch.batch_log import BatchFiles, going
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.errors import InputError, RecordError

IDS = [digest_text(f"{number}")[:32] for number in range(5)]


def test_files__what_was_noted_is_there_again(tmp_path: Path):
    files = BatchFiles(tmp_path)
    assert (files.unread, going(tmp_path)) == ([], [])
    assert files.add(IDS[:3]) == 0
    assert files.add(IDS[3:]) == 1
    files.change(0, file_id="file", batch_id="batch_a")
    files.change(1, file_id="file", batch_id="batch_b", is_read=True)
    again = BatchFiles(tmp_path)
    assert again.log == files.log
    assert (again.unread, going(tmp_path)) == ([0], ["batch_a"])
    assert (again.ids(0), again.ids(1)) == (IDS[:3], IDS[3:])
    assert again.has(IDS[4])
    assert not again.has("f" * 32)


def test_files__ids_of_a_chunk_that_was_never_noted_do_not_count(tmp_path: Path):
    BatchFiles(tmp_path).add(IDS[:2])
    with (tmp_path / "batch.ids").open("a") as file:
        file.write(f"{IDS[2]}\n{IDS[3][:7]}")  # killed before the chunk was in batch.json
    files = BatchFiles(tmp_path)
    assert not files.has(IDS[2])
    files.add(IDS[4:])
    assert BatchFiles(tmp_path).ids(1) == IDS[4:]


def test_files__refused_chunk_may_be_sent_again(tmp_path: Path):
    files = BatchFiles(tmp_path)
    files.add(IDS)
    files.change(0, is_void=True)
    assert not files.has(IDS[0])
    files.add(IDS)
    first, second = files.log.chunks
    assert first.digest != second.digest
    assert files.unread == [1]


def test_files__damage_is_told(tmp_path: Path):
    BatchFiles(tmp_path).add(IDS)
    (tmp_path / "batch.ids").write_text("z" * 33 * 5)
    with pytest.raises(RecordError, match=r"batch.ids holds no ids of requests"):
        BatchFiles(tmp_path)
    (tmp_path / "batch.ids").unlink()
    with pytest.raises(InputError, match="cannot read"):
        BatchFiles(tmp_path)
    (tmp_path / "batch.json").write_text("{")
    with pytest.raises(RecordError, match="no JSON"):
        going(tmp_path)
