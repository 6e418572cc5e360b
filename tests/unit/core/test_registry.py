"""Names to classes, and plugin files."""

from pathlib import Path

import pytest

from lm_eval_so.core.backends.base import ChatBackend, backends, register_backend
from lm_eval_so.core.registry import load_plugins
from lm_eval_so.errors import ConfigError, UnknownName
from lm_eval_so.evaluator.metrics.base import Metric, metrics, snake_case

PLUGIN = """
from lm_eval_so.core.backends.base import ChatBackend, register_backend
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.evaluator.metrics.base import Metric

@register_backend("{backend}")
class Mine(ChatBackend):
    async def send(self, request):
        return ChatResponse(text="네")

class {metric}(Metric):
    def score(self, sample, run):
        return self.make_score(sample, value=1.0)
"""


@pytest.mark.parametrize("registry", [backends, metrics])
def test_resolve__every_builtin_is_there(registry) -> None:
    for name in registry._builtin:  # other tests register backends of their own
        assert registry.resolve(name).name == name


def test_builtin_with__in_the_order_of_the_table() -> None:
    assert backends.builtin_with(lambda each: each.capabilities.batch) == ["openai", "azure"]
    with_address = backends.builtin_with(lambda each: bool(each.address_option))
    assert with_address == ["openai", "azure", "http", "local"]


def test_resolve__suggests_the_nearest_name() -> None:
    with pytest.raises(
        UnknownName, match=r'unknown metric "exact_mach" \(did you mean "exact_match"\?\)'
    ):
        metrics.resolve("exact_mach")


def test_resolve__takes_a_class_by_path() -> None:
    assert (
        metrics.resolve("lm_eval_so.evaluator.metrics.text.wording:ExactMatch").name
        == "exact_match"
    )


@pytest.mark.parametrize("ref", ["json:loads", "nowhere:Thing", "json:nothing"])
def test_resolve__refuses_what_is_no_plugin(ref: str) -> None:
    with pytest.raises(ConfigError):
        metrics.resolve(ref)


def test_register_backend__a_name_taken_twice_names_both() -> None:
    @register_backend("test_taken_name")
    class First(ChatBackend):
        pass

    with pytest.raises(ConfigError, match=r"First.*Second"):

        @register_backend("test_taken_name")
        class Second(ChatBackend):
            pass


def test_load_plugins__backends_and_metrics_are_found_by_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN.format(backend="test_plugin_bot", metric="TestPluginMetric"), "utf-8")
    load_plugins([file])
    load_plugins([file])  # again is no second definition
    plugin = backends.resolve("test_plugin_bot")
    assert issubclass(plugin, ChatBackend)
    reach = plugin().reach()
    file.write_text(file.read_text("utf-8").replace("네", "아니요"), "utf-8")
    assert plugin().reach() != reach  # another code is another chatbot
    assert issubclass(metrics.resolve("test_plugin_metric"), Metric)


def test_load_plugins__says_which_line_fails(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("x = 1\n\ny = x / 0\n")
    with pytest.raises(ConfigError, match="ZeroDivisionError") as caught:
        load_plugins([file])
    where = caught.value.problems[0].where
    assert where is not None
    assert where.line == 3
    with pytest.raises(ConfigError, match="no such plugin"):
        load_plugins([tmp_path / "absent.py"])


MISSPELT_METRIC = """\
from lm_eval_so.evaluator.metrics.base import Metric
class Misspelt(Metric):
    kind = "binary"
    higher_is_beter = False
    requirs: frozenset = frozenset()
    words = ("네", "예")  # of its own, as all that follow
    _rnage = (0, 5)
    kinds = ("short", "long")  # beside kind
    class Param: ...
    def scores(self): ...
    @property
    def unti(self): ...
"""
MISSPELT_BACKEND = """\
from lm_eval_so.core.backends.base import Capabilities, ChatBackend, register_backend
@register_backend("misspelt")
class Mine(ChatBackend):
    capabilites = Capabilities(seed=True)
"""


def test_load_plugins__attribute_that_is_misspelt(tmp_path: Path) -> None:
    metric, backend = tmp_path / "metric.py", tmp_path / "backend.py"
    metric.write_text(MISSPELT_METRIC, "utf-8")
    backend.write_text(MISSPELT_BACKEND, "utf-8")
    with pytest.raises(ConfigError) as failed:
        load_plugins([metric, backend])
    found = [(problem.what, str(problem.where)) for problem in failed.value.problems]
    assert found == [
        (
            'unknown metric attribute "higher_is_beter" (did you mean "higher_is_better"?)',
            f"{metric}:4",
        ),
        ('unknown metric attribute "requirs" (did you mean "requires"?)', f"{metric}:5"),
        ('unknown backend attribute "capabilites" (did you mean "capabilities"?)', f"{backend}:4"),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("MyMetric", "my_metric"), ("LLMJudge", "llm_judge"), ("TokenF1", "token_f1"), ("X", "x")],
)
def test_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected
