from pathlib import Path

import pytest

from lm_eval_so.core.registry import load_plugins
from lm_eval_so.errors import UnknownName
from lm_eval_so.evaluator.metrics.base import metrics
from lm_eval_so.pipeline.plugins import LINES, find_plugins


def test_find_plugins__tells_the_definition_and_parameters_of_every_metric():
    found = {each.name: each for each in find_plugins() if each.kind == "metric"}
    assert set(found) == set(metrics.names())
    for each in found.values():
        if metrics.resolve(each.name).__module__.startswith("lm_eval_so."):
            assert set(LINES) <= set(each.facts), each.name
            assert each.summary.endswith("."), each.name
        fields = metrics.resolve(each.name).Params.model_fields
        named = [field.alias or name for name, field in fields.items()]
        assert [parameter.name for parameter in each.params] == named, each.name


def test_find_plugins__tells_types_and_defaults():
    (found,) = find_plugins("rouge_l")
    unit = next(each for each in found.params if each.name == "unit")
    assert (unit.type, unit.default) == ("auto, char, space, morph", "auto")


def test_find_plugins__tells_options_of_a_backend():
    (found,) = find_plugins("openai")
    assert [each.name for each in found.params] == ["model"]
    helps = {each.name: each.help for each in found.options}
    assert helps["api_key_file"] == "File that holds the key."


def test_find_plugins__unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownName, match="exact_match"):
        find_plugins("exact_mach")


def test_find_plugins__of_a_file_without_any_docstring(tmp_path: Path):
    file = tmp_path / "bare.py"
    file.write_text(
        "from lm_eval_so.evaluator.metrics.base import Metric\n"
        "class BareOfDocs(Metric):\n"
        "    def score(self, sample, run):\n"
        "        return self.make_score(sample, value=1.0)\n",
        "utf-8",
    )
    load_plugins([file])
    (found,) = find_plugins("bare_of_docs")
    assert (found.kind, found.params) == ("metric", ())
