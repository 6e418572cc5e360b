"""Short ways to render records: the style's fields as arguments."""

from dataclasses import replace

from lm_eval_so.reporter import markdown
from lm_eval_so.reporter import render as rendering
from lm_eval_so.reporter.content import Style

NO_LINKS = markdown.Origin()


def render(report, comparison, *, format, **style):  # noqa: A002 - as the option
    """Render a report, a comparison, or both."""
    return rendering.render(report, comparison, format=format, style=Style(**style))


def comment_body(comparison, report, *, level, origin=NO_LINKS, before="", **style):
    """Render a comment, by default without links."""
    origin, style = replace(origin, before=before), Style(**style)
    return markdown.comment_body(comparison, report, level=level, origin=origin, style=style)


def unmeasured_body(problems, *, level, suite, origin=NO_LINKS, before="", **style):
    """Render a comment on a run that could not be measured, by default without links."""
    origin, style = replace(origin, before=before), Style(**style)
    return markdown.unmeasured_body(problems, level=level, suite=suite, origin=origin, style=style)
