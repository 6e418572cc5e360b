import json
import socket
import time
from pathlib import Path

import pytest

from lm_eval_so.errors import CannotMeasure, UsageError
from lm_eval_so.runner.store.run_dir import RunDir
from lm_eval_so.runner.store.sign_of_life import Leader, is_led_by, refuse_other_leader


def lead(folder: Path, host: str, seconds_ago: float) -> Path:
    file = folder / "leader.json"
    facts = {"id": "a", "host": host, "process": 7, "alive_at": time.time() - seconds_ago}
    file.write_text(json.dumps(facts), "utf-8")
    return file


def test_leader__on_another_machine_keeps_every_run_out_until_it_is_a_minute_old(tmp_path: Path):
    file = lead(tmp_path, "elsewhere", 40)
    with pytest.raises(UsageError, match=r"led by process 7 on elsewhere, .* 40 s ago") as error:
        RunDir.open(tmp_path)
    assert "--take-over" in str(error.value.problems[0].hint)
    assert not (tmp_path / "run.lock").exists()
    assert file.exists()
    lead(tmp_path, "elsewhere", 61)
    refuse_other_leader(tmp_path)
    assert not file.exists()


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_leader__on_this_machine_is_dead_once_its_lock_is_free(tmp_path: Path, text: str | None):
    file = lead(tmp_path, socket.gethostname(), 0)
    if text is not None:  # half a file says nothing
        file.write_text(text, "utf-8")
    RunDir.open(tmp_path).close()
    assert file.exists() is (text is not None)


def test_leader__notices_that_another_has_taken_over(tmp_path: Path):
    first = Leader(tmp_path)
    first.beat()
    assert is_led_by(tmp_path, first.id)
    second = Leader(tmp_path)
    first.resign()  # the file is the second one's
    assert is_led_by(tmp_path, second.id)
    time.sleep(2.1)
    with pytest.raises(CannotMeasure, match="has taken over"):
        first.beat()
    second.beat()
    second.resign()
    assert not is_led_by(tmp_path, second.id)
    assert list(tmp_path.iterdir()) == []
