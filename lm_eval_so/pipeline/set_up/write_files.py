"""The files of a first set-up: the config, the workflow, and what git leaves out."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lm_eval_so.core.backends.build import named_hosts
from lm_eval_so.core.backends.config_secrets import missing_variables
from lm_eval_so.core.config.load import read_config, require_valid
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.files import read_text, write_atomic
from lm_eval_so.errors import LMEvalError
from lm_eval_so.pipeline.set_up.config_text import with_ignored, workflow_text
from lm_eval_so.pipeline.set_up.try_address import KEY
from lm_eval_so.pipeline.set_up.wish import WORKFLOW, Wish

ADDRESS: Final = "CHATBOT_URL"
"""Variable of an address with a password or a query, which no file may hold."""


def write_files(wish: Wish, text: str | None, environ: Mapping[str, str]) -> Iterator[Path]:
    """Write the files, and yield those that changed.

    Args:
        wish: The options.
        text: The config; None: it stays as it is.
        environ: Environment of the command.
    """
    folder = wish.file.parent
    if text is not None:
        write_atomic(wish.file, text)
        yield wish.file
    workflow, ignored = folder / WORKFLOW, folder / ".gitignore"
    if wish.workflow:
        write_atomic(workflow, _workflow(wish, environ))
        yield workflow
    there = read_text(ignored) if ignored.exists() else ""
    if (needed := with_ignored(there)) != there:
        write_atomic(ignored, needed)
        yield ignored


def _workflow(wish: Wish, environ: Mapping[str, str]) -> str:
    """Return the workflow for a config, with the variables that it needs and the hosts that it asks."""
    known = {**environ, **({ADDRESS: wish.url} if wish.url and ADDRESS not in environ else {})}
    try:
        config = require_valid(read_config(wish.file, environ=known))
    except LMEvalError:  # a variable of the workflow's is not set here
        return workflow_text([KEY], config=wish.file.name)
    variables = _variables(config)
    hosts = [] if ADDRESS in variables else [each.host for each in named_hosts(config, environ)]
    named = [] if None in hosts else sorted({str(host) for host in hosts})
    return workflow_text(variables, hosts=named, config=wish.file.name)


def _variables(config: Config) -> list[str]:
    """Return the variables that a config needs, sorted; the usual key if its chatbot is not known yet."""
    if config.backend is None:
        return [KEY]
    named = {name for each in config.located.written.values() for name in each.variables}
    return sorted({*missing_variables(config, {}), *named})
