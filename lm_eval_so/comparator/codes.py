"""Why a verdict is what it is."""

from enum import StrEnum


class Code(StrEnum):
    """Reason codes of verdicts and warnings; most are keys of the texts as well."""

    NO_BASELINE = "no_baseline"
    OTHER_SUITE = "other_suite"
    METRIC_MISSING_BASELINE = "metric_missing_baseline"
    METRIC_MISSING_CANDIDATE = "metric_missing_candidate"
    FINGERPRINT = "fingerprint"
    DUPLICATE_ID = "duplicate_id"
    NO_SAMPLES = "no_samples"
    OVERLAP = "overlap"
    ERROR_RATE = "error_rate"
    MISSING_UNBOUNDED = "missing_unbounded"
    FEW_GROUPS = "few_groups"
    FEW_SAMPLES = "few_samples"
    FEW_TIMES = "few_times"
    FEW_FOR_PERCENTILE = "few_for_percentile"
    NOT_POSITIVE = "not_positive"
    MISSING = "missing"
    MULTIPLICITY = "multiplicity"
    TOO_NOISY = "too_noisy"
    THRESHOLD = "threshold"
    THRESHOLD_UNPROVEN = "threshold_unproven"
    NOTHING_GATES = "nothing_gates"
    MISSING_ROWS = "missing_rows"
    OUT_OF_RANGE = "out_of_range"
    GROUPS_IGNORED = "groups_ignored"
