"""Every snippet that people are shown does what it says.

Lines of `sh` end with 0, or with the code of a comment `# exit N`, in a copy of the quickstart whose
chatbot is scripted. Python blocks that define plugins measure a Korean dataset from a CP949 file; those
that begin with `# test_….py` are run by pytest, the others as scripts. YAML is a workflow or goes into a
config that the program accepts; JSON is a record, and samples are asked. Jinja is a judge's template. `text` is output or prose, and
is not run.
"""

import ast
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from servers.commands import Done, git, lm_eval_so
from snippets import PAGES, ROOT, Block, blocks

from lm_eval_so.core.backends.replay import PlainAnswer
from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.records.codec import RECORDS, from_json, parse_json
from lm_eval_so.evaluator.metrics.base import snake_case
from lm_eval_so.evaluator.metrics.judge.panel.prompt import own_template

LABEL = "local_SmolLM2-135M-Instruct"
KEYS = {
    "OPENAI_API_KEY": "sk-test-1234567890abcdef",
    "AZURE_OPENAI_API_KEY": "azure-test-1234567890",
    "AZURE_OPENAI_ENDPOINT": "https://test.openai.azure.com",
    "BOT_TOKEN": "Bearer test-1234567890",
    "SHOP_KEY": "shop-test-1234567890",
}
"""Variables that the snippets name."""
PLAYED_USER = {
    "pattern": "",
    "turns": [
        '{"progress": true, "done": false, "reason": "open", "message": "A-1023"}',
        '{"progress": true, "done": true, "reason": "goal", "message": ""}',
    ],
}
CHAT = """{"상담번호": "1", "분류": "배송", "messages": [{"role": "user", "content": "언제 오나요?"}]}\n"""
KAKAO = """\
홍길동 님과 카카오톡 대화
저장한 날짜 : 2024-03-05 10:00:00

--------------- 2024년 3월 4일 월요일 ---------------
[홍길동] [오후 12:05] 언제 오나요?
[예시상점 상담원] [오후 12:10] 오늘 도착합니다.
[홍길동] [오후 12:11] 몇 시쯤 오나요?
[예시상점 상담원] [오후 12:12] 오후 5시쯤입니다.
"""
"""Logs of conversations."""
PLAIN = {"text"}
RECIPES = "docs/http-recipes.md"
"""Page whose configs ask stand-ins: tests/unit/core/backends/http/test_recipes.py."""
ELSEWHERE = {
    # the clone is where this test runs
    "git clone https://github.com/mackim-3768/lm-eval-so && cd lm-eval-so",
    # tests/e2e/test_quickstart.py, and the job `quickstart` of .github/workflows/ci.yml
    "bash example/quickstart/run_quickstart.sh",
    # tests/e2e/test_image.py, and the job `image` of .github/workflows/ci.yml
    "docker build -t lm-eval-so .",
    'docker run --rm --init -e OPENAI_API_KEY --user "$(id -u):$(id -g)" -v "$PWD:/src" -w /src lm-eval-so ci',
    # the job `checks` of .github/workflows/ci.yml, of which this test is a part
    "bash scripts/test.sh",
    "bash scripts/test.sh -- tests/unit/core/stats",
    "bash scripts/test.sh -- tests/house tests/e2e/test_snippets.py",
    # a check of scripts/test.sh, and the workflow `pages`
    "python scripts/docs_site.py build/site",
}
"""Lines of `sh` that are run by another job."""
OF_A_RELEASE = re.compile(r"(?:gh|docker) .*\bmackim-3768/lm-eval-so\b")
"""Lines of `sh` that need what a release publishes; release.yml tries it."""
WORDS = re.compile(r"""lm-eval-so(\s+([\w./=:-]|'[^']*'|"[^"$`\\]*")+)*(\s+#.*)?""")
"""Our command with words in which a shell has nothing to replace, and perhaps a comment."""


def code_of(block: Block) -> tuple[str, str]:
    """Return what a block does, whatever its comments say in which language."""
    return block.language, re.sub(r"(?m)\s+# (?!exit \d).*$", "", block.text)


FOUND = [block for page in PAGES for block in blocks(page)]
ALL = list({code_of(block): block for block in reversed(FOUND)}.values())[::-1]
"""Each once: both READMEs share them."""


def of(language: str, *, where: Any = lambda _: True) -> Any:
    found = [block for block in ALL if block.language == language and where(block)]
    return pytest.mark.parametrize("block", found, ids=str)


def lines(block: Block) -> list[str]:
    joined = block.text.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]


def file_name(block: Block) -> str | None:
    """Return the name that the first line of a block tells, as `# my_plugin.py`."""
    match = re.match(r"# (\w+\.py)\n", block.text)
    return match[1] if match else None


def is_plugin(block: Block) -> bool:
    return bool(backends_in(block) or metrics_in(block)) and not is_test(block)


def is_test(block: Block) -> bool:
    return (file_name(block) or "").startswith("test_")


def backends_in(block: Block) -> list[str]:
    return re.findall(r'^@register_backend\("(\w+)"\)', block.text, re.MULTILINE)


def metrics_in(block: Block) -> list[str]:
    classes = [node for node in ast.parse(block.text).body if isinstance(node, ast.ClassDef)]
    return [snake_case(c.name) for c in classes if "Metric" in map(ast.unparse, c.bases)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the quickstart with a scripted chatbot, its run, report, baseline and comparison."""
    folder = tmp_path_factory.mktemp("shop") / "quickstart"
    made_there = shutil.ignore_patterns(".venv", "runs", "reports")
    shutil.copytree(ROOT / "example" / "quickstart", folder, ignore=made_there)
    config = folder / "lm-eval-so.yaml"
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    values["backend"] = {"name": "scripted", "label": LABEL, "options": {"default": "echo"}}
    config.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    for block in reversed(ALL):
        if block.language == "python" and (name := file_name(block)):
            (folder / name).write_text(block.text, encoding="utf-8")
    for name, text in {
        "rubrics/helpful.md": "good: 기준 답변과 뜻이 같습니다.\nbad: 뜻이 다릅니다.\n",
        "rubrics/right.md": "right: 기준 답변과 뜻이 같습니다.\nwrong: 뜻이 다릅니다.\n",
        "answers.jsonl": '{"id": "s75e3794e0e2f4f70", "answer": "1~2일 안에 도착합니다."}\n',
        "models/my-model.gguf": "",
        "docs/returns_2023.md": "# 반품\n\n받은 날부터 10일 안에 반품할 수 있습니다.\n",
        "logs/chat.jsonl": CHAT,
        "logs/카카오톡.txt": KAKAO,
        "logs/traces.json": (ROOT / "tests/data/traces/openinference.jsonl").read_text("utf-8"),
        "docs/policy.md": "# 배송\n\n주문하면 1~2일 안에 도착합니다.\n",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    ends_well(lm_eval_so("run", cwd=folder))
    ends_well(lm_eval_so("evaluate", cwd=folder))
    shutil.copy(folder / "reports/report.json", folder / "baselines/support-qa.json")
    ends_well(lm_eval_so("compare", "reports/report.json", cwd=folder))
    git("init", "-q", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "all of it", cwd=folder)
    git("repack", "-adq", cwd=folder)  # each place is a copy
    return folder


@pytest.fixture
def place(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "shop"))


@pytest.fixture(scope="module")
def looked_at(prepared: Path) -> Path:
    """A place for commands that write nothing."""
    return Path(shutil.copytree(prepared, prepared.parent / "looked-at"))


def ends_well(done: Done, code: int = 0) -> None:
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}{done.stderr}"


def shell_environ() -> dict[str, str]:
    """Return the variables of a shell of the place, with our own environment first on the path."""
    kept = ("HOME", "LANG", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    who = {
        f"GIT_{r}_{f}": "t@example.com" for r in ("AUTHOR", "COMMITTER") for f in ("NAME", "EMAIL")
    }
    return {**{n: os.environ[n] for n in kept if n in os.environ}, "PATH": path, **who}


def start(*command: str, cwd: Path) -> Done:
    """Run a command with the variables of a shell of the place."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=shell_environ(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def start_line(line: str, cwd: Path) -> Done:
    """Run a line of `sh`: by a shell, unless its words are all that a shell would hand on.

    Lines with code of one's own are for the installed program, which looks for modules elsewhere
    than `python -m` does.
    """
    if WORDS.fullmatch(line) and ".py" not in line:
        return lm_eval_so(*shlex.split(line, comments=True)[1:], cwd=cwd, environ=shell_environ())
    return start("sh", "-c", line, cwd=cwd)


def test_blocks__are_all_handled() -> None:
    handled = {"sh", "python", "yaml", "json", "jinja"} | PLAIN
    assert not [str(block) for block in ALL if block.language not in handled]
    assert all(any(b.language == language for b in ALL) for language in handled)


@of("jinja")
def test_jinja__template_of_a_judge_is_accepted(block: Block) -> None:
    assert own_template(block.text, "pointwise").names <= {"rubric", "material", "names"}


def lines_here(block: Block) -> list[str]:
    return [each for each in lines(block) if each not in ELSEWHERE and not OF_A_RELEASE.match(each)]


@of("sh", where=lines_here)
def test_sh__every_line_ends_as_told(block: Block, place: Path) -> None:
    for line in lines_here(block):
        told = re.search(r"# exit (\d+)$", line)
        ends_well(start_line(line, place), int(told[1]) if told else 0)


def test_elsewhere__names_only_lines_that_are_there() -> None:
    assert {line for b in ALL if b.language == "sh" for line in lines(b)} >= ELSEWHERE


@of("python", where=is_plugin)
def test_python__plugin_measures_korean(block: Block, tmp_path: Path) -> None:
    rows = [
        f"{i},배송,질문 {i}번: 환불은 며칠 걸리나요?,영업일 기준 {i}일입니다." for i in range(1, 13)
    ]
    text = "\r\n".join(["번호,분류,질문,답변", *rows, ""])
    (tmp_path / "faq.csv").write_bytes(text.encode("cp949"))
    (tmp_path / "plugin.py").write_text(block.text, encoding="utf-8")
    config = {
        "version": 1,
        "suite": "shop",
        "dataset": {"path": "data"},
        "generator": {"sources": [{"id": "faq", "path": "faq.csv"}]},
        "backend": {"name": "scripted", "options": {"default": "echo"}},
        "metrics": metrics_in(block) or ["exact_match"],
    }
    for name in backends_in(block) or ["scripted"]:
        config["backend"] = (
            {**config["backend"], "name": name} if name == "scripted" else {"name": name}
        )
        (tmp_path / "lm-eval-so.yaml").write_text(json.dumps(config), encoding="utf-8")
        ends_well(lm_eval_so("ci", "--plugin", "plugin.py", cwd=tmp_path))
        report = json.loads((tmp_path / "reports/report.json").read_text(encoding="utf-8"))
        assert report["statuses"]["ok"] == len(rows)
        assert {key: m["rows"] for key, m in report["metrics"].items()} == dict.fromkeys(
            config["metrics"], len(rows)
        )


@of("python", where=is_test)
def test_python__tests_pass(block: Block, place: Path) -> None:
    name = file_name(block) or ""
    done = start(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name, cwd=place)
    ends_well(done)
    assert f"{block.text.count('def test_')} passed" in done.stdout


@of("python", where=lambda block: not is_plugin(block) and not is_test(block))
def test_python__script_ends_well(block: Block, place: Path) -> None:
    (place / "snippet.py").write_text(block.text, encoding="utf-8")
    ends_well(start(sys.executable, "snippet.py", cwd=place))


WORKFLOWS = sorted((ROOT / "example/workflows").glob("*.yml"))


def test_workflows__are_sound() -> None:
    files = [str(path) for path in WORKFLOWS]
    schema = ("--builtin-schema", "vendor.github-workflows")
    ends_well(start("check-jsonschema", *schema, *files, cwd=ROOT))
    ends_well(start("actionlint", *files, cwd=ROOT))
    config = ("--config", ".github/zizmor.yml")
    ends_well(start("zizmor", "--offline", "--no-progress", "--quiet", *config, *files, cwd=ROOT))
    inputs = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["inputs"]
    for path in WORKFLOWS:
        ours = [step for step in steps(path) if OURS in step.get("uses", "")]
        assert ours, path
        assert not {key for step in ours for key in step.get("with", {})} - set(inputs)
        jobs = yaml.safe_load(path.read_text("utf-8"))
        assert jobs["permissions"] == {}
        assert all("permissions" in job for job in jobs["jobs"].values())


def steps(path: Path) -> Iterator[Mapping[str, Any]]:
    for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values():
        yield from job["steps"]


OURS = "mackim-3768/lm-eval-so"


def test_workflows__are_pinned_by_the_release(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "scripts/pin_snippets.py"))
    files = [path for pattern in script["FILES"] for path in ROOT.glob(pattern)]
    for path in files:
        copied = tmp_path / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied)
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert script["pin"](tmp_path, commit, "1.2.0") > len(WORKFLOWS)
    for path in files:
        before = path.read_text("utf-8").splitlines()
        after = (tmp_path / path.relative_to(ROOT)).read_text("utf-8").splitlines()
        for old, new in zip(before, after, strict=True):
            is_step = re.search(rf"uses: {OURS}", old) and "`" not in old
            told = re.sub(r"@\S+( # v\S+)?$", f"@{commit} # v1.2.0", old) if is_step else old
            assert new == told
    assert script["pin"](tmp_path, commit[::-1], "1.3.0") > len(WORKFLOWS)  # and again by the next
    with pytest.raises(ValueError, match="COMMIT"):
        script["pin"](tmp_path, "v1", "1.2.0")


def is_list(block: Block) -> bool:
    """Return whether a block is a quarantine or accept file."""
    return block.text.startswith("- ")


@of("yaml", where=is_list)
def test_yaml__exceptions_are_accepted(block: Block, place: Path) -> None:
    name = "accept" if "max_drop" in block.text else "quarantine"
    file = place / f".lm-eval-so/{name}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(block.text, encoding="utf-8")
    environ = {**KEYS, "SOURCE_DATE_EPOCH": "1795501800"}  # 2026-11-24: `until` is near enough
    try:
        ends_well(lm_eval_so("ci", "--dry-run", cwd=place, environ=environ))
    finally:
        file.unlink()


@of("yaml", where=lambda b: not (b.is_workflow or is_list(b) or b.page == RECIPES))
def test_yaml__config_is_accepted(block: Block, looked_at: Path) -> None:
    values = yaml.safe_load(block.text)
    least = {
        "version": 1,
        "suite": "snippet",
        "dataset": {"path": "dataset/toy_support_qa_v1"},
        "backend": {"name": "scripted", "options": {"default": "echo"}},
        "metrics": ["exact_match"],
    }
    # put together as text, so that the program reads what is written
    kept = [yaml.safe_dump({key: least[key]}) for key in least.keys() - values.keys()]
    text = "".join([*kept, block.text])
    (looked_at / "snippet.yaml").write_text(text, encoding="utf-8")
    command = "generate" if "generator" in values else "ci"
    ends_well(lm_eval_so(command, "--dry-run", "-c", "snippet.yaml", cwd=looked_at, environ=KEYS))


@of("json")
def test_json__is_what_it_says(block: Block, prepared: Path, tmp_path: Path) -> None:
    values = parse_json(block.text)
    if "schema" in values:
        check_record(values, prepared)
    elif {"input", "messages", "scenario"} & set(values):
        file = tmp_path / "test.jsonl"
        file.write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8")
        assert [sample.id for sample in load_dataset(file)] == [values["id"]]
        check_asked(tmp_path)
    elif "answer" in values:
        assert set(PlainAnswer.model_validate(values).model_dump()) >= set(values)
    else:
        pytest.fail("no rule for this block")


def check_asked(folder: Path) -> None:
    """Ask the one sample of a folder, with written answers on both sides."""
    config = {
        "version": 1,
        "suite": "snippet",
        "dataset": {"path": "test.jsonl"},
        "backend": {"name": "scripted", "label": "bot", "options": {"default": "echo"}},
        "run": {"simulator": {"backend": played_by("user.jsonl")}},
    }
    (folder / "user.jsonl").write_text(json.dumps(PLAYED_USER), encoding="utf-8")
    (folder / "lm-eval-so.yaml").write_text(json.dumps(config), encoding="utf-8")
    ends_well(lm_eval_so("run", cwd=folder))
    row = json.loads((folder / "runs/bot/run_results.jsonl").read_text(encoding="utf-8"))
    assert row["status"] == "ok"


def played_by(answers: str) -> dict[str, Any]:
    return {"name": "scripted", "options": {"match": "regex", "answers": answers}}


def check_record(values: Mapping[str, Any], prepared: Path) -> None:
    """Hold a record to its schema; parts of a report or a comparison are filled up with a real one."""
    name = values["schema"].split("/")[1]
    file = prepared / "reports" / f"{name}.json"
    rest = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    whole = {**rest, **values}
    schema = json.loads((ROOT / f"docs/schema/{name}-1.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(whole)
    record = from_json(whole, RECORDS[name])
    known = set(RECORDS[name].__dataclass_fields__)
    assert record is not None
    assert set(values) <= known
