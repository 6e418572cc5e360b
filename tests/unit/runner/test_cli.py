"""Options of `run` that need each other."""

from pathlib import Path

from servers.commands import lm_eval_so


def test_run__options_of_ray_without_ray_are_refused(tmp_path: Path) -> None:
    (tmp_path / "lm-eval-so.yaml").write_text("version: 1\n", "utf-8")
    given = ("--ray-address", "auto", "--workers", "2", "--chunk-size", "5", "--take-over")
    done = lm_eval_so("run", *given, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: only --engine ray takes --ray-address, --workers, --chunk-size, --take-over",
        "  fix: add --engine ray, or leave them out",
    ]
