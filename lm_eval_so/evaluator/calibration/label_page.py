"""The page on which people label answers: the rows of labels_todo.csv in a browser."""

import shlex
from pathlib import Path

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.files import write_all
from lm_eval_so.core.hashing import digest_bytes, digest_text
from lm_eval_so.core.records.review_page import ReviewItem, ReviewPage, ShownDataset, ShownTurn
from lm_eval_so.core.review_page.pages import page_name, review_pages
from lm_eval_so.errors import NothingToDo
from lm_eval_so.evaluator.calibration.good_labels import labelling_metrics
from lm_eval_so.evaluator.calibration.label_cells import turns_of_cell
from lm_eval_so.evaluator.calibration.label_file import AnswerToLabel, read_answers
from lm_eval_so.evaluator.calibration.pairs import label_names, offered_labels
from lm_eval_so.evaluator.metrics.base import Metric


def write_label_page(config: Config, labels: Path) -> tuple[Path, ...]:
    """Write the answers of a file of labels as a page beside it, and return the files.

    What the page saves are the lines that `calibrate` reads. Labels that the file has already are
    shown as given; if several people labelled an answer, those of the first line.

    Args:
        config: A config that has no problems.
        labels: File as `evaluate --export-labels` writes it.

    Raises:
        ConfigError: If no metric judges by labels.
        InputError: With every problem of the file; or the page cannot be written.
        NothingToDo: If the file has no answers.
    """
    metrics, known = labelling_metrics(config)
    items = tuple(_item(each, metrics[each.metric], config) for each in read_answers(labels, known))
    if not items:
        raise NothingToDo(
            f"{labels} has no answers", hint="lm-eval-so evaluate --export-labels 100"
        )
    file = shlex.quote(str(config.where().file or CONFIG_FILE))
    page = ReviewPage(
        mode="labels",
        language=config.language.value,
        dataset=ShownDataset(name=config.suite, sha256=digest_bytes(labels.read_bytes())),
        items=items,
        command=f"lm-eval-so calibrate {{file}} -c {file}",
    )
    pages = enumerate(review_pages(page), start=1)
    return write_all({labels.with_name(page_name(labels.stem, n)): text for n, text in pages})


def _item(answer: AnswerToLabel, metric: Metric, config: Config) -> ReviewItem:
    cells = answer.cells
    said = cells["answer"] + cells["answer_b"]
    turns = turns_of_cell(cells["input"])
    return ReviewItem(
        id=answer.sample_id,
        rev=digest_text(said)[:16],
        turns=tuple(ShownTurn(role=turn.role, text=turn.text) for turn in turns),
        expected=cells["expected"] or None,
        status=answer.label,
        metric=answer.metric,
        repeat=answer.repeat,
        answer=cells["answer"],
        answer_b=cells["answer_b"] or None,
        calls=cells["calls"] or None,
        context=cells["context"] or None,
        labels=offered_labels(metric),
        label_names=label_names(metric, config.language),
        rubric=cells["rubric"] or None,
        annotator=cells["annotator"] or None,
        note=cells["note"] or None,
    )
