"""Artifacts as actions/upload-artifact packs them."""

import io
import zipfile


def zipped(text: str, name: str = "report.json") -> bytes:
    """Return a zip file with a text, and with the run beside it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("run/run_results.jsonl", "{}")
        archive.writestr(name, text)
    return made.getvalue()
