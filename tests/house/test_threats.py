"""Each row of the threats in SECURITY.md has tests that show its defence."""

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
SHOWN_BY: Mapping[str, tuple[str, ...]] = {
    "keys-in-texts": (
        "e2e/test_secrets.py::test_ci__no_secret_in_anything_that_it_and_a_new_baseline_write",
        "e2e/test_secrets.py::test_commands__no_secret_in_anything_that_is_written",
        "property/test_redaction.py::test_redact__no_cut_of_sixteen_characters_is_left",
        "property/test_redaction.py::test_redact__no_digit_of_base64_that_holds_a_bit_of_the_secret_is_left",
        "unit/terminal/test_github_log.py::test_mask__each_line_of_a_secret_and_nothing_trivial",
        "unit/terminal/test_github_log.py::test_mask__nothing_is_written_where_the_runner_may_not_read",
    ),
    "keys-sent-elsewhere": (
        "e2e/test_ci.py::test_ci__asks_no_host_and_runs_no_code_that_the_workflow_does_not_permit",
        "e2e/test_secrets.py::test_ci__a_config_cannot_send_the_workflows_own_token",
        "unit/core/backends/http/test_backend.py::test_send__redirect_names_url_and_is_not_followed",
        "unit/core/backends/http/test_sessions.py::test_poll__a_server_sends_the_keys_to_no_other_host",
        "unit/core/backends/openai/test_backend.py::test_send__redirect_is_not_followed",
        "unit/core/http/test_hosts.py::test_host_of__is_where_the_request_goes_or_nowhere",
        "unit/pipeline/permits/test_permits.py::test_host_problems__all_are_told_at_once_wherever_they_are_named",
        "unit/pipeline/permits/test_permits.py::test_host_problems__keys_go_unencrypted_to_private_names_alone",
        "unit/pipeline/permits/test_permits.py::test_open_asker__is_the_last_look_at_a_host",
        "unit/pipeline/test_control.py::test_decide__a_host_of_main_that_the_workflow_does_not_allow_is_not_asked",
    ),
    "own-code": (
        "e2e/test_ci.py::test_ci__asks_no_host_and_runs_no_code_that_the_workflow_does_not_permit",
        "e2e/test_ci.py::test_ci__code_of_a_fork_that_is_skipped_does_not_run",
        "e2e/test_ci.py::test_ci__refuses_pull_request_target",
        "unit/core/backends/local/test_server.py::test_open__starts_a_server_and_ends_its_group",
        "unit/core/backends/own_code/test_command.py::test_send__environment_is_what_is_listed",
        "unit/core/test_git.py::test_git__is_told_no_secret",
        "unit/pipeline/permits/test_permits.py::test_code_problems__a_forks_code_never_runs_beside_a_key",
        "unit/pipeline/permits/test_permits.py::test_code_problems__own_code_is_refused_by_default",
        "unit/pipeline/permits/test_permits.py::test_without_own_code__nothing_runs_whatever_names_it",
    ),
    "pull-request-content": (
        "e2e/test_ci.py::test_ci__nothing_is_written_through_a_link_out_of_the_workspace",
        "property/test_hostile_files.py::test_config__of_any_text",
        "property/test_hostile_files.py::test_dataset__of_any_json",
        "unit/core/config/test_yaml_lines.py::test_parse_yaml__refuses_a_bomb_of_aliases",
        "unit/generator/documents/test_office.py::test_xml_bomb__is_refused_by_its_tags_before_it_is_parsed",
        "unit/generator/documents/test_office.py::test_zip_bomb__is_refused_by_its_ratio",
    ),
    "templates": (
        "unit/core/templates/test_sandbox.py::test_fill_markdown__data_is_no_template",
        "unit/core/templates/test_sandbox.py::test_fill_markdown__templates_reach_no_internals",
        "unit/core/templates/test_user.py::test_template__memory_and_time_stay_flat",
        "unit/core/templates/test_user.py::test_template__refused_with_a_reason",
    ),
    "text-in-comment": (
        "unit/action/test_outputs.py::test_output_text__same_keys_for_each_verdict",
        "unit/action/test_outputs.py::test_output_text__s7_a_value_cannot_add_outputs",
        "unit/reporter/html/test_page.py::test_html__hostile_texts_do_nothing",
        "unit/reporter/test_markdown.py::test_markdown__hostile_texts_do_nothing",
        "unit/reporter/test_markdown.py::test_markdown__s8_secrets_are_taken_out_first",
        "unit/reporter/test_markdown.py::test_markdown__table_rows_keep_their_cells",
        "unit/reporter/test_markdown.py::test_unmeasured_body__hostile_texts_do_nothing",
    ),
    "text-in-log": (
        "e2e/test_github_log.py::test_bug__its_text_has_no_secret_and_is_not_executed",
        "e2e/test_github_log.py::test_command_line__what_it_names_is_not_executed",
        "e2e/test_github_log.py::test_run__what_a_dataset_holds_is_not_executed",
        "e2e/test_github_log.py::test_run__what_an_endpoint_answers_is_not_executed",
        "property/test_github_log.py::test_guarded_log__nothing_is_executed",
        "unit/action/test_outputs.py::test_annotations__s6_foreign_text_starts_no_command",
    ),
    "judge-injection": (
        "unit/core/asking/answer/test_markers.py::test_choose_marker__stands_in_no_text",
        "unit/evaluator/test_judging.py::test_injected_answer__is_judged_as_any_other_and_flagged",
        "unit/evaluator/metrics/judge/test_llm_judge.py::test_request__answer_that_knows_the_marker_gets_another",
    ),
    "rules-of-the-base": (
        "unit/core/test_git.py::test_git__a_folder_that_looks_like_a_repository_is_none",
        "unit/pipeline/base/test_base_commit.py::test_a_head_that_left_before_the_config__is_held_against_its_target",
        "unit/pipeline/github/test_baseline_place.py::test_with_own_cache__answers_that_the_pull_request_brings_do_not_count",
        "unit/pipeline/rules/test_rules_of_base.py::test_code__of_a_metric_that_the_pull_request_changes_is_comparable_no_more",
        "unit/pipeline/rules/test_rules_of_base.py::test_hidden__what_is_not_compared_stands_in_the_headline",
        "unit/pipeline/rules/test_rules_of_base.py::test_loosened__main_decides_all_the_same_and_it_is_told",
        "unit/pipeline/rules/test_rules_of_base.py::test_unread__the_rules_of_the_pull_request_hold_and_it_is_told",
    ),
    "baseline-poisoning": (
        "e2e/test_ci.py::test_ci__neither_baseline_nor_rules_of_the_pull_request_itself_count",
        "unit/action/github/test_artifacts.py::test_artifacts__are_fetched_from_their_store_without_the_token",
        "unit/comparator/baseline/test_eligibility.py::test_find_refusals__one_at_a_time",
        "unit/pipeline/base/test_stored_reports.py::test_find__the_nearest_report_of_main_itself",
        "unit/pipeline/github/test_baseline_place.py::test_as_checked_out__a_fork_that_a_maintainer_measures_brings_no_baseline",
        "unit/pipeline/github/test_baseline_place.py::test_find_place__a_link_of_the_pull_request_decides_what_is_read",
        "unit/pipeline/github/test_baseline_place.py::test_find_place__a_revision_of_the_pull_request_is_no_baseline",
    ),
    "shard-poisoning": (
        "e2e/test_matrix.py::test_ci__what_a_matrix_lacks",
        "unit/runner/merge/test_shards.py::test_take_shards__what_does_not_belong_together",
        "unit/runner/merge/test_shards.py::test_take_shards__asked_with_another_config",
        "unit/runner/merge/test_shards.py::test_take_shards__old_answers",
        "unit/runner/merge/test_shards.py::test_take_shards__rows_that_were_never_asked",
    ),
    "artifact-poisoning": (
        "unit/action/github/test_zip_files.py::test_read_members__a_bomb_is_refused_by_its_size_and_by_its_bytes",
        "unit/action/github/test_zip_files.py::test_read_members__refuses_what_no_upload_makes",
        "unit/action/test_finished_run.py::test_comment__of_any_record_that_is_read_acts_on_nothing",
        "unit/action/test_target.py::test_pulls_of_run__what_github_says_decides",
        "unit/reporter/test_markdown.py::test_comment_body__no_word_of_a_fork_passes_for_ours",
        "unit/pipeline/github/test_tell_run.py::test_tell_run__a_forks_regression_is_told_on_its_pull_request_and_decides_nothing",
    ),
    "marker-spoofing": (
        "unit/action/test_comment.py::test_marker__cannot_close_the_comment",
        "unit/action/test_comment.py::test_publish__a_strangers_marker_is_not_ours",
        "unit/action/test_comment.py::test_publish__marker_counts_in_the_first_line_only",
        "unit/action/test_comment.py::test_publish__own_duplicates_are_deleted",
        "unit/action/test_comment.py::test_publish__another_suite_keeps_its_comment",
    ),
    "stale-runs": (
        "unit/action/test_comment.py::test_publish__stale_head",
        "unit/action/test_comment.py::test_publish__newer_result_wins",
        "unit/action/test_comment.py::test_publish__head_moves_just_before_the_write",
        "unit/action/test_comment.py::test_publish__two_runs_at_once_end_with_one_comment",
    ),
    "supply-chain": (
        "e2e/test_release.py::test_point__changes_one_line",
        "house/test_project.py::test_lock__every_pin_has_hashes_and_names_no_host",
        "house/test_project.py::test_lock__has_every_dependency_of_the_project",
        "house/test_project.py::test_workflow__has_no_more_rights_than_it_needs",
    ),
    "cost": (
        "e2e/test_ci.py::test_ci__a_fork_without_keys_is_skipped",
        "unit/runner/batch/test_batch.py::test_run__budget_bounds_what_is_handed_over",
        "unit/runner/test_engine.py::test_run__budget_of_money",
        "unit/runner/test_engine.py::test_run__budget_of_time",
    ),
}
"""Tests by the id of a row."""


def rows() -> list[list[str]]:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `.*\|$", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@cache
def defined_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, functions))


def test_threats__each_row_has_its_tests_and_says_what_is_left() -> None:
    assert [row[0].strip("`") for row in rows()] == list(SHOWN_BY)
    assert not [row for row in rows() if len(row) != 4 or not all(row)]


@pytest.mark.parametrize("threat", SHOWN_BY)
def test_threats__the_tests_are_there(threat: str) -> None:
    named = [node.split("::") for node in SHOWN_BY[threat]]
    assert len(named) >= 3
    assert not [f"{file}::{name}" for file, name in named if name not in defined_in(file)]
