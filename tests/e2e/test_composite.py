"""`composite/`: its steps run as GitHub's runner runs them, in a fresh environment.

It installs packages, so it runs where a registry is reached: `pytest -m image`.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from servers.checkout import KEY, Checkout, open_checkout
from servers.runner_log import split_masks

ROOT = Path(__file__).parents[2]
ACTION: Mapping[str, Any] = yaml.safe_load((ROOT / "composite/action.yml").read_text("utf-8"))
TRAP = "raise SystemExit('code of the checkout was run')\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Checkout]:
    with open_checkout(tmp_path) as found:
        yield found


class Runner:
    """Runs the steps of the action in the workspace, with the environment of a runner."""

    def __init__(self, place: Checkout) -> None:
        self.place = place
        self.temp = place.folder.parent / "_temp"
        self.temp.mkdir()
        self.outputs: dict[str, dict[str, str]] = {}

    def run(self, **given: str) -> int:
        """Run all steps until one fails; return the exit code."""
        self.inputs = {name: each["default"] for name, each in ACTION["inputs"].items()} | given
        for step in ACTION["runs"]["steps"]:
            code = self._step(step)
            if code:
                return code
        return 0

    def value(self, output: str) -> str:
        return self._fill(ACTION["outputs"][output]["value"])

    def _step(self, step: Mapping[str, Any]) -> int:
        output = self.temp / f"{step['id']}.output"
        output.touch()
        environ = {
            **self.place.environ(),
            **{name: self._fill(value) for name, value in step.get("env", {}).items()},
            "GITHUB_OUTPUT": str(output),
            "GITHUB_ACTION_PATH": str(ROOT / "composite"),
            "RUNNER_TEMP": str(self.temp),
            "PATH": os.environ["PATH"],
            "HOME": str(self.temp),
        }
        script = self.temp / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        self.done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.place.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        self.outputs[step["id"]] = _outputs(output.read_text("utf-8"))
        return self.done.returncode

    def _fill(self, text: str) -> str:
        """Put in the values of the expressions that the action has."""
        for name, value in self.inputs.items():
            text = text.replace(f"${{{{ inputs.{name} }}}}", value)
        text = text.replace("${{ github.token }}", "ghs_token_of_the_workflow")
        return re.sub(
            r"\$\{\{ steps\.(\w+)\.outputs\.(\w+)(?: \|\| '(\w+)')? \}\}",
            lambda m: self.outputs.get(m[1], {}).get(m[2]) or m[3] or "",
            text,
        )


def _outputs(text: str) -> dict[str, str]:
    plain = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    return plain | dict(re.findall(r"^(\w+)<<.*\n(.*)\n", text, re.MULTILINE))


@pytest.mark.image
def test_composite__is_the_action_without_a_container(place: Checkout) -> None:
    for module in ("venv", "pip", "json", "lm_eval_so"):
        (place.folder / f"{module}.py").write_text(TRAP, encoding="utf-8")
    runner = Runner(place)
    place.is_worse = True
    assert runner.run(suite_id="on-the-runner") == 1, runner.done.stderr
    assert runner.value("verdict") == "regression"
    assert runner.value("passed") == "false"
    assert runner.value("report_json") == "lm-eval-so-report/report.json"
    (body,) = place.hub.bodies(7).values()
    assert "suite=on-the-runner" in body
    assert "회귀" in body
    masked, stdout = split_masks(runner.done.stdout)
    assert KEY in masked
    assert KEY not in stdout + runner.done.stderr


@pytest.mark.parametrize(
    ("system", "told"),
    [("Linux", "put actions/setup-python"), ("Windows", "does not run on Windows")],
)
def test_composite__tells_what_is_missing(tmp_path: Path, system: str, told: str) -> None:
    done = subprocess.run(
        ["/bin/bash", str(ROOT / "composite/install.sh")],
        env={"PATH": "/nowhere", "RUNNER_TEMP": str(tmp_path), "RUNNER_OS": system},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert not [*tmp_path.iterdir()]
