"""Make composite/action.yml of action.yml: the same inputs and outputs, on the runner itself.

Run `.venv/bin/python scripts/composite.py` to write it; tests/house/test_project.py compares it.
"""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "composite" / "action.yml"

HEAD = """\
# Made of action.yml by scripts/composite.py.
name: lm-eval-so without a container
description: The same action on the runner itself, for a chatbot on its localhost and for runners without Docker.
author: lm-eval-so contributors
branding:
  icon: bar-chart-2
  color: blue
"""
STEPS = """\
runs:
  using: composite
  steps:
    - id: install
      shell: bash
      run: bash "$GITHUB_ACTION_PATH/install.sh"
    - id: ci
      shell: bash
      env:
        PYTHON: ${{ steps.install.outputs.python }}
        # A json.py in the checkout is never imported.
        PYTHONSAFEPATH: "1"
        PYTHONUTF8: "1"
"""
IF_NOTHING_RAN = {"verdict": "error", "passed": "false"}
"""Outputs where the environment could not be made."""


def page() -> str:
    """Return the text of composite/action.yml."""
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    action = yaml.safe_load(text)
    inputs, outputs = text[text.index("inputs:\n") : text.index("runs:\n")].split("outputs:\n")
    valued = re.sub(
        r"^  (\w+):\n(    description: .*\n)",
        lambda match: f"{match[0]}    value: ${{{{ {_value(match[1])} }}}}\n",
        outputs,
        flags=re.MULTILINE,
    )
    given = "".join(f"        INPUT_{n.upper()}: ${{{{ inputs.{n} }}}}\n" for n in action["inputs"])
    line = " ".join(['"$PYTHON" -m lm_eval_so', *map(_word, action["runs"]["args"])])
    return f"{HEAD}{inputs}outputs:\n{valued}{STEPS}{given}      run: '{line}'\n"


def _value(output: str) -> str:
    default = IF_NOTHING_RAN.get(output)
    return f"steps.ci.outputs.{output}" + (f" || '{default}'" if default else "")


def _word(argument: str) -> str:
    """Return an argument of the container as a word of a shell; an input only by its variable."""
    match = re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", argument)
    return f'"$INPUT_{match[1].upper()}"' if match else argument


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
