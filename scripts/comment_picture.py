"""Draw docs/images/comment.png: the quickstart's comment as GitHub shows it.

Run the quickstart once before. Needs Chromium and the packages of requirements-dev.lock:
    .venv/bin/python scripts/comment_picture.py
"""

import subprocess
import tempfile
from pathlib import Path

import cmarkgfm
from cmarkgfm.cmark import Options

from lm_eval_so.core.records.enums import Language
from lm_eval_so.pipeline.github.send_comment import read_results
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.markdown import Origin, comment_body

ROOT = Path(__file__).parents[1]
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 16px; font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", "Noto Sans CJK KR", sans-serif; color: #1f2328; }}
article {{ border: 1px solid #d1d9e0; border-radius: 6px; max-width: 860px; }}
header {{ background: #f6f8fa; padding: 8px 16px; border-bottom: 1px solid #d1d9e0; color: #59636e; border-radius: 6px 6px 0 0; }}
main {{ padding: 8px 16px 16px; }}
table {{ border-collapse: collapse; margin: 0 0 16px; }} th, td {{ border: 1px solid #d1d9e0; padding: 6px 13px; }}
code {{ background: #818b981f; border-radius: 6px; padding: .2em .4em; font: 12px ui-monospace, "Noto Sans Mono", "Noto Sans Mono CJK KR", monospace; }}
pre {{ background: #f6f8fa; border-radius: 6px; padding: 16px; white-space: pre-wrap; }} pre code {{ background: none; padding: 0; }}
h3 {{ font-size: 1.25em; margin: 16px 0; }} summary {{ margin: 4px 0; }} sub {{ color: #59636e; }}
</style><article><header><b>github-actions</b> <small>bot</small> commented</header><main>{body}</main></article>"""
SHAPE = '<svg viewBox="0 0 16 16" width="1em" height="1em" style="vertical-align: -.12em">{}</svg>'
ICONS = {
    "❌": '<path d="M2.5 2.5l11 11M13.5 2.5l-11 11" stroke="#dd2e44" stroke-width="3.6" stroke-linecap="round"/>',
    "⚪": '<circle cx="8" cy="8" r="7" fill="#e6e7e8" stroke="#b8bfc6"/>',
}
"""Icons of such a comment, drawn: not every machine has a font for them."""
FLAGS = "--headless --no-sandbox --disable-gpu --disable-background-networking --hide-scrollbars --force-device-scale-factor=2"


def main() -> None:
    """Write the picture."""
    results = read_results(ROOT / "example/quickstart/reports/comparison.json", None)
    body = comment_body(
        results.comparison,
        results.report,
        level=0,
        origin=Origin(),
        style=Style(language=Language.EN, examples=1),
    )
    html = cmarkgfm.github_flavored_markdown_to_html(body, options=Options.CMARK_OPT_UNSAFE)
    for icon, shape in ICONS.items():
        html = html.replace(icon, SHAPE.format(shape))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "comment.html")
        page.write_text(PAGE.format(body=html), encoding="utf-8")
        picture = ROOT / "docs/images/comment.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        size = ["--window-size=900,800", f"--user-data-dir={folder}/profile"]
        command = ["chromium", *FLAGS.split(), *size, f"--screenshot={picture}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own page


if __name__ == "__main__":
    main()
