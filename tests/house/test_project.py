"""What the project promises about itself in its own files."""

import csv
import re
import runpy
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

import lm_eval_so
from lm_eval_so.core.config.yaml_lines import read_yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = ROOT / ".github/workflows"
EXTRAS = "local bleu ko kiwi embed inspect ray dev"


def test_extras__are_those_that_are_documented() -> None:
    assert set(PROJECT["optional-dependencies"]) == set(EXTRAS.split())


def test_changelog__newest_version_is_that_of_the_project() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[([^]]+)\]", text, flags=re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0] == PROJECT["version"]
    assert all(heading == PROJECT["version"] for heading in headings[1:2])


@pytest.mark.parametrize(
    "lock",
    [f"requirements{kind}.lock" for kind in ("", "-build", "-local", "-dev", "-docs", "-ray")],
)
def test_lock__every_pin_has_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    pins = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in text


def test_requirements__has_the_pins_of_the_lock_and_the_project_itself() -> None:
    plain = [
        line for line in (ROOT / "requirements.txt").read_text().splitlines() if line[:1] != "#"
    ]
    locked = re.findall(
        r"^(\S.*?)\s*\\?$", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE
    )
    assert plain[-1] == "."
    assert plain[:-1] == locked


def test_lock__has_every_dependency_of_the_project() -> None:
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    for dependency in PROJECT["dependencies"]:
        assert re.split(r"[><=]", dependency)[0].lower() in locked


def size_of(name: str) -> float:
    """Return what a package writes when it is installed, in MB; 0 if it is not for this platform."""
    try:
        record = distribution(name).read_text("RECORD")
    except PackageNotFoundError:
        return 0
    return sum(int(size or 0) for *_, size in csv.reader((record or "").splitlines())) / 1e6


def test_dependencies__fit_into_the_image() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    sizes = {name: size_of(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    assert 50 < sum(sizes.values()) <= 100, sorted(sizes.items(), key=lambda item: -item[1])[:8]


def test_public_names__resolve_and_are_all() -> None:
    assert sorted(lm_eval_so.__all__) == lm_eval_so.__all__
    for name in lm_eval_so.__all__:
        assert getattr(lm_eval_so, name).__doc__
    with pytest.raises(AttributeError):
        _ = lm_eval_so.nothing


def test_package__ships_its_templates_and_words() -> None:
    package = ROOT / "lm_eval_so"
    assert (package / "py.typed").is_file()
    assert list(package.glob("reporter/templates/*.j2"))
    assert list(package.glob("evaluator/metrics/judge/panel/templates/ko/*.txt"))


def test_action__description_is_one_that_the_marketplace_takes() -> None:
    description = read_yaml(ROOT / "action.yml").values["description"]
    assert len(description) < 125, "the Marketplace refuses 125 characters and more"


def test_composite__is_what_its_script_makes(request: pytest.FixtureRequest) -> None:
    script = runpy.run_path(str(ROOT / "scripts/composite.py"))
    page, path = script["page"](), script["PAGE"]
    if request.config.getoption("--update-golden"):
        path.write_text(page, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == page, "run it with --update-golden"


def test_composite__has_the_inputs_and_outputs_of_the_action() -> None:
    action, composite = (
        read_yaml(ROOT / name).values for name in ("action.yml", "composite/action.yml")
    )
    assert composite["inputs"] == action["inputs"]
    value = re.compile(r"\$\{\{ steps\.ci\.outputs\.(\w+)( \|\| '(error|false)')? \}\}")
    told = {}
    for name, output in composite["outputs"].items():
        match = value.fullmatch(output["value"])
        assert match is not None
        assert match[1] == name
        told[name] = {key: text for key, text in output.items() if key != "value"}
    assert told == action["outputs"]
    steps = composite["runs"]["steps"]
    assert not [step["run"] for step in steps if "${{" in step["run"]]
    given = {key: text for key, text in steps[-1]["env"].items() if key.startswith("INPUT_")}
    assert given == {f"INPUT_{n.upper()}": f"${{{{ inputs.{n} }}}}" for n in action["inputs"]}


@pytest.mark.parametrize("name", sorted(each.name for each in WORKFLOWS.glob("*.yml")))
def test_workflow__has_no_more_rights_than_it_needs(name: str) -> None:
    text = (WORKFLOWS / name).read_text(encoding="utf-8")
    workflow = read_yaml(WORKFLOWS / name).values
    assert workflow["permissions"] == {}
    assert "concurrency" in workflow
    uses = re.findall(r"^ +(?:- )?uses: (.*)$", text, flags=re.MULTILINE)
    pinned = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert not [each for each in uses if not each.startswith("./") and not pinned.fullmatch(each)]
    for job in workflow["jobs"].values():
        assert isinstance(job["permissions"], dict)
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_no_module__is_over_400_lines() -> None:
    long = {
        str(f): n
        for f in (ROOT / "lm_eval_so").rglob("*.py")
        if (n := len(f.read_text().splitlines())) > 400
    }
    assert not long
