"""Reports whose rows stand in a file, and back."""

from dataclasses import replace

from lm_eval_so.core.records.sample import UNWRITTEN
from lm_eval_so.core.report_file import read_report
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.pipeline.reports import write_report


def apart(report, folder, name="report.json"):
    """Write a report with its rows in a file, and read it."""
    samples = replace(report.samples, file=UNWRITTEN)
    write_report(folder / name, replace(report, samples=samples), make_redactor({}))
    return read_report(folder / name)


def held(report):
    """Return the columns of a report as tuples."""
    columns = report.samples
    names = [name for name in columns.__dataclass_fields__ if name != "file"]
    values = {name: getattr(columns, name) for name in names}
    for name, value in values.items():
        if name in {"scores", "not_applicable", "failures"}:
            values[name] = {key: tuple(each) for key, each in value.items()}
        elif name == "labels":
            values[name] = {
                by: replace(each, places=tuple(each.places)) for by, each in value.items()
            }
        elif value is not None:
            values[name] = tuple(value)
    return replace(columns, **values, file=None)
