"""Results of another tool, imported and compared without a config."""

import json
from pathlib import Path

from servers.commands import lm_eval_so

DATA = Path(__file__).parents[1] / "data/imports"


def test_import__then_compare__in_an_empty_folder(tmp_path: Path) -> None:
    for state in ("before", "after"):
        file = str(DATA / f"promptfoo/{state}.json")
        done = lm_eval_so("import", file, "--candidate", "polite", "-o", state, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            f"{state}/report.{end}" for end in ("json", "md", "html")
        ]
        assert "Imported from promptfoo 0.123.1, shop / polite: 6 cases" in done.stderr
    compared = lm_eval_so(
        *("compare", "after", "--baseline", "before/report.json", "--json"), cwd=tmp_path
    )
    assert compared.returncode == 0, compared.stderr  # not proven
    assert json.loads(compared.stdout)["changed"][0]["ref"] == "refund"
    assert "right → wrong" in compared.stderr
    alone = lm_eval_so("compare", "after", cwd=tmp_path)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "no config file" in alone.stderr
