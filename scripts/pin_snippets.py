"""Pin this action in the workflows that people copy: by the commit of a release, with its version.

Run by scripts/release.py once the commit of a release is known: `python scripts/pin_snippets.py COMMIT VERSION`, as in
`python scripts/pin_snippets.py 0123…cdef 1.2.0`; the changed files are committed on main.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = (
    "README*.md",
    "docs/*.md",
    "example/workflows/*.yml",
    "lm_eval_so/pipeline/set_up/templates/*.yml",
)
STEP = re.compile(
    r"^( *- uses: mackim-3768/lm-eval-so(?:/composite)?)@\S+(?: # v\S+)?$", re.MULTILINE
)
"""A step of a workflow, alone on its line."""


def pin(root: Path, commit: str, version: str) -> int:
    """Pin every step below a folder, and return the number of steps.

    Args:
        root: Folder of the repository.
        commit: The release's commit, 40 hex digits.
        version: The release's version, as 1.2.0.

    Raises:
        ValueError: If the commit or the version is none.
    """
    if not re.fullmatch(r"[0-9a-f]{40}", commit) or not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError("usage: pin_snippets.py COMMIT VERSION, as 0123…cdef 1.2.0")
    count = 0
    for path in sorted(path for pattern in FILES for path in root.glob(pattern)):
        text, found = STEP.subn(rf"\1@{commit} # v{version}", path.read_text(encoding="utf-8"))
        if found:
            path.write_text(text, encoding="utf-8", newline="\n")
        count += found
    return count


if __name__ == "__main__":
    try:
        pinned = pin(ROOT, *sys.argv[1:3])
    except (TypeError, ValueError):
        sys.exit("usage: pin_snippets.py COMMIT VERSION, as 0123…cdef 1.2.0")
    sys.stdout.write(f"pinned {pinned} steps\n")
