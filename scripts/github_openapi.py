"""GitHub's description of its REST API, cut to what tests/servers/github_api.py holds calls to.

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    python scripts/github_openapi.py package/generated/api.github.com.json

The package holds GitHub's own github/rest-api-description (MIT). Writes tests/data/github_openapi.json: the operations below and each component that they reach, without prose and
examples. Add an operation here when the Action calls another one.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

OPERATIONS: Final = frozenset(
    [
        "issues/list-comments",
        "issues/create-comment",
        "issues/update-comment",
        "issues/delete-comment",
        "pulls/get",
        "pulls/list",
        "repos/get",
        "repos/get-content",
        "repos/get-commit",
        "repos/list-commits",
        "repos/compare-commits",
        "actions/get-workflow-run",
        "actions/list-workflow-runs",
        "actions/list-workflow-runs-for-repo",
        "actions/list-workflow-run-artifacts",
        "actions/list-artifacts-for-repo",
        "actions/get-artifact",
        "actions/download-artifact",
    ]
)
TO: Final = Path(__file__).parents[1] / "tests/data/github_openapi.json"
_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})
_PROSE: Final = frozenset(
    {"description", "example", "examples", "summary", "title", "externalDocs", "tags", "servers"}
)


def main() -> None:
    """Read the description named on the command line; write its part."""
    description = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    paths = {}
    for path, item in description["paths"].items():
        shared = item.get("parameters", [])
        for method in _METHODS & item.keys():
            if item[method]["operationId"] in OPERATIONS:
                operation = _bare(item[method])
                operation["parameters"] = [*_bare(shared), *operation.get("parameters", [])]
                paths.setdefault(path, {})[method] = operation
    found = {each["operationId"] for item in paths.values() for each in item.values()}
    if missing := OPERATIONS - found:
        sys.exit(f"not in the description: {', '.join(sorted(missing))}")
    components = _reached(paths, _bare(description["components"]))
    cut = {"info": {"version": description["info"]["version"]}, "paths": paths}
    text = json.dumps({**cut, "components": components}, indent=None, sort_keys=True)
    TO.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(found)} operations, {len(text) / 1e3:.0f} kB\n")


def _bare(node: Any, *, names: bool = False) -> Any:
    """Drop prose and examples; a key of `properties` or `components` is a name, whatever it says."""
    if isinstance(node, list):
        return [_bare(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if names or not (key in _PROSE or key.startswith("x-")):
            kept[key] = _bare(value, names=not names and key in {"properties", "headers"})
    return kept


def _reached(paths: Any, components: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    open_nodes = [paths]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, list):
            open_nodes.extend(node)
        elif isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str):
                kind, name = reference.split("/")[2:4]
                if name not in found.setdefault(kind, {}):
                    found[kind][name] = components[kind][name]
                    open_nodes.append(found[kind][name])
            open_nodes.extend(node.values())
    return found


if __name__ == "__main__":
    main()
