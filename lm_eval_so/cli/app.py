"""The root app: every command, in the order of the work."""

from typing import Annotated

import typer

from lm_eval_so.cli.all_stages import AllStages
from lm_eval_so.cli.baseline import app as baseline_app
from lm_eval_so.cli.cache import app as cache_app
from lm_eval_so.cli.calibrate import app as calibrate_app
from lm_eval_so.cli.ci import app as ci_app
from lm_eval_so.cli.comment import app as comment_app
from lm_eval_so.cli.compare import app as compare_app
from lm_eval_so.cli.dataset import app as dataset_app
from lm_eval_so.cli.doctor import app as doctor_app
from lm_eval_so.cli.evaluate import app as evaluate_app
from lm_eval_so.cli.forecast import app as forecast_app
from lm_eval_so.cli.generate import app as generator_app
from lm_eval_so.cli.history import app as history_app
from lm_eval_so.cli.import_results import app as import_app
from lm_eval_so.cli.init import app as init_app
from lm_eval_so.cli.merge import app as merge_app
from lm_eval_so.cli.plugins import app as plugins_app
from lm_eval_so.cli.report import app as reporter_app
from lm_eval_so.runner.cli import app as runner_app
from lm_eval_so.terminal.entry import run_app

app = typer.Typer(
    name="lm-eval-so",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    # the command of a stage knows its stage; here it gets what knows all of them
    context_settings={"help_option_names": ["-h", "--help"], "obj": AllStages},
)

for stage in (
    init_app,
    generator_app,
    dataset_app,
    runner_app,
    merge_app,
    evaluate_app,
    import_app,
    calibrate_app,
    compare_app,
    baseline_app,
    reporter_app,
    history_app,
    comment_app,
    ci_app,
    doctor_app,
    forecast_app,
    cache_app,
    plugins_app,
):
    app.add_typer(stage)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"lm-eval-so {version('LM-Eval-SO')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Tell whether a chatbot got worse.

    Commands are listed in the order of the work. They exchange files, and ci runs them all.
    """


def main() -> None:
    """Run the command line and exit."""
    run_app(app)
