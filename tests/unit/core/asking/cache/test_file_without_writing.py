from pathlib import Path

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.cache.cache import open_cache
from lm_eval_so.core.asking.cache.file import known_keys
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.records.enums import RunStatus

KEY, OTHER = "0a" * 32, "0b" * 32
ANSWER = Answer(status=RunStatus.OK, response=ChatResponse(text="3일"))


def state_of(folder: Path) -> list[tuple[str, int]]:
    return sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())


def test_known_keys__without_a_file(tmp_path: Path):
    for path in (None, tmp_path / "none" / "cache.sqlite"):
        with known_keys(path) as is_known:
            assert not is_known(KEY)
    assert state_of(tmp_path) == []


def test_known_keys__leaves_the_folder_as_it_is(tmp_path: Path):
    cache = open_cache(tmp_path / "cache.sqlite", lambda _: None)
    cache.put(KEY, ANSWER)
    cache.close()
    before = state_of(tmp_path)
    with known_keys(tmp_path / "cache.sqlite") as is_known:
        assert is_known(KEY)
        assert not is_known(OTHER)
    assert state_of(tmp_path) == before


def test_known_keys__while_somebody_writes(tmp_path: Path):
    cache = open_cache(tmp_path / "cache.sqlite", lambda _: None)
    for number in range(300):
        cache.put(f"{number:064x}", ANSWER)
    with known_keys(tmp_path / "cache.sqlite") as is_known:
        assert is_known(f"{0:064x}")
    cache.close()


def test_known_keys__damaged_file(tmp_path: Path):
    (tmp_path / "cache.sqlite").write_bytes(b"no database" * 100)
    with known_keys(tmp_path / "cache.sqlite") as is_known:
        assert not is_known(KEY)
    assert (tmp_path / "cache.sqlite").read_bytes().startswith(b"no database")
