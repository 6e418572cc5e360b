"""A look at the files of a shop, as people hand them over."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from office_files import write_pdf

from lm_eval_so.core.records.enums import Language
from lm_eval_so.generator.scan import ScanResult, scan, show

DATA = Path(__file__).parents[2] / "data/shop"
QUICKSTART = Path(__file__).parents[3] / "example/quickstart/sources"
OLD_RETURNS = "# 반품\n\n상품을 받은 날부터 10일 안에 반품을 신청할 수 있습니다.\n"
NEW_RETURNS = OLD_RETURNS.replace("10일", "7일")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shop")
    docs = made / "docs"
    shutil.copytree(DATA, docs)
    shutil.copytree(QUICKSTART, docs, dirs_exist_ok=True)
    shutil.copy(DATA.parent / "chatlog.jsonl", docs)
    (docs / "README.md").unlink()
    (docs / "returns_2023.md").write_text(OLD_RETURNS, encoding="utf-8")
    (docs / "returns_2026.md").write_text(NEW_RETURNS, encoding="utf-8")
    write_pdf(docs / "scan.pdf", [[]])
    (docs / "old.hwp").write_bytes(b"\xd0\xcf\x11\xe0")
    (docs / "logo.png").write_bytes(b"\x89PNG")
    return made


@pytest.fixture(scope="module")
def result(folder: Path) -> ScanResult:
    return scan(["docs"], folder)


def test_scan__tells_what_a_shop_has(result: ScanResult) -> None:
    found = {each.file.name: each.facts() for each in result.files}
    wanted = {
        "docs/faq.csv": {"holds": "tests", "tests": 18, "rejected": 1, "duplicates": 1},
        "docs/support_qa.json": {"holds": "tests", "tests": 12},
        "docs/chatlog.jsonl": {"holds": "conversations", "tests": 12, "personal": 9},
        "docs/policy.md": {"holds": "document", "sections": 7, "personal": 1},
        "docs/returns.docx": {"sections": 6},
        "docs/warranty.pdf": {"sections": 9},
        "docs/shipping.html": {"sections": 5},
        "docs/products.xlsx": {"holds": "document", "rows": 15},
    }
    assert {
        name: {key: found[name][key] for key in keys} for name, keys in wanted.items()
    } == wanted
    reasons = {each.file.name: each.facts()["reason"] for each in result.unreadable}
    assert reasons == {"docs/old.hwp": "unknown_format", "docs/scan.pdf": "no_text"}
    assert (result.language, result.samples) == (Language.KO, 42)


@pytest.mark.parametrize("language", list(Language))
def test_show__is_a_line_a_file(
    result: ScanResult, language: Language, golden: Callable[[str, str], None]
) -> None:
    golden(f"init/scan.{language}.txt", "\n".join(show(result, language)) + "\n")


def test_scan__what_is_allowed_is_no_personal_data(folder: Path) -> None:
    files = ["docs/policy.md", "docs/chatlog.jsonl"]
    assert sum(each.personal for each in scan(files, folder).files) == 10
    allowed = scan(files, folder, allow=["help@example.com"]).files
    assert sum(each.personal for each in allowed) == 8


def test_scan__the_language_is_that_of_most_letters_of_the_documents(folder: Path) -> None:
    assert scan(["docs/shipping.html", "docs/faq.csv"], folder).language is Language.EN
    assert (
        scan(["docs/shipping.html", "docs/*.docx", "docs/policy.md"], folder).language
        is Language.KO
    )
    assert scan(["docs/faq.csv"], folder).language is Language.KO
    assert scan(["docs/*.png"], folder).language is Language.EN


def test_show__a_folder_of_many_files_stays_one_screen(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number:02}.txt").write_text(
            f"Opening hours are {number} to 20.", encoding="utf-8"
        )
    lines = show(scan(["."], tmp_path), Language.EN)
    assert len([line for line in lines if ".txt  " in line and "document" in line]) == 40
    assert "  … and 20 more" in lines


def test_scan__a_configuration_with_a_mistake_is_no_unknown_document(tmp_path: Path) -> None:
    text = "prompts: [a]\ntests:\n  - vars: {question: When?}\n"
    (tmp_path / "promptfooconfig.yaml").write_text(text, encoding="utf-8")
    result = scan(["promptfooconfig.yaml"], tmp_path)
    assert [each.facts()["reason"] for each in result.unreadable] == ["bad_yaml"]
    assert show(result, Language.EN)[-1].endswith("  invalid YAML (bad_yaml)")
