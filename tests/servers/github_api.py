"""GitHub's published description of its REST API: what a call and an answer must look like.

The description is tests/data/github_openapi.json (OpenAPI 3.0), made by scripts/github_openapi.py.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema

_FILE: Final = Path(__file__).parents[1] / "data/github_openapi.json"


class UnknownCallError(LookupError):
    """GitHub has no such operation, or the description was cut without it."""


def broken_rules(method: str, path: str, query: Mapping[str, str], body: object) -> list[str]:
    """Return what a request breaks: parameters that nobody reads, values and bodies of a wrong form.

    Args:
        method: HTTP method.
        path: Path behind the API's address.
        query: Parameters of the address.
        body: The JSON body; None if there is none.

    Raises:
        UnknownCallError: If there is no such operation.
    """
    operation, found = _operation(method, path)
    parameters = [_followed(each) for each in operation["parameters"]]
    given: dict[str, Mapping[str, str]] = {"path": found, "query": query}
    rules: list[str] = []
    for each in parameters:
        text = given.get(each["in"], {}).get(each["name"])
        if text is not None:
            rules += _faults(_typed(text, each["schema"]), each["schema"], each["name"])
        elif each.get("required"):
            rules.append(f"{each['name']} is missing")
    known = {each["name"] for each in parameters if each["in"] == "query"}
    rules += [f"{name} is no parameter" for name in query if name not in known]
    content = _followed(operation.get("requestBody", {})).get("content", {})
    if body is not None and not content:
        rules.append("it takes no body")
    elif body is not None:
        schema = content["application/json"]["schema"]
        unread = set(body) - set(schema["properties"]) if isinstance(body, dict) else ()
        rules += [*_faults(body, schema, "body"), *(f"body.{name} is not read" for name in unread)]
    return rules


def broken_answer(method: str, path: str, status: int, answer: object) -> list[str]:
    """Return what an answer breaks, its missing fields aside: a fake gives what is read.

    Args:
        method: HTTP method of the request.
        path: Its path.
        status: HTTP status.
        answer: The JSON answer.
    """
    operation, _ = _operation(method, path)
    described = operation["responses"].get(str(status))
    if described is None:
        return [] if status >= 400 else [f"{status} is no answer of it"]
    content = _followed(described).get("content", {}).get("application/json")
    if content is None or answer is None:
        return []
    return list(_faults(answer, content["schema"], "answer", is_partial=True))


def _operation(method: str, path: str) -> tuple[Any, dict[str, str]]:
    for pattern, item in _paths():
        match = pattern.fullmatch(path)
        if match and method.lower() in item:
            return item[method.lower()], match.groupdict()
    raise UnknownCallError(f"{method} {path} is not in {_FILE.name}")


@cache
def _description() -> Any:
    return json.loads(_FILE.read_text(encoding="utf-8"))


@cache
def _paths() -> list[tuple[re.Pattern[str], Any]]:
    """Return patterns and operations; a path of fixed words comes before one with a parameter."""
    paths = sorted(_description()["paths"].items(), key=lambda item: item[0].count("{"))
    return [(_pattern(path), item) for path, item in paths]


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    text = "".join(
        f"(?P<{part}>{'.+' if part in {'path', 'basehead'} else '[^/]+'})"
        if index % 2
        else re.escape(part)
        for index, part in enumerate(parts)
    )
    return re.compile(text)


def _followed(node: Any) -> Any:
    while "$ref" in node:
        kind, name = node["$ref"].split("/")[2:4]
        node = _description()["components"][kind][name]
    return node


def _typed(text: str, schema: Any) -> object:
    kind = _followed(schema).get("type")
    if kind == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    return text == "true" if kind == "boolean" and text in {"true", "false"} else text


def _faults(value: object, schema: Any, name: str, *, is_partial: bool = False) -> Iterator[str]:
    validator = _validator(json.dumps(schema, sort_keys=True), is_partial)
    for error in validator.iter_errors(value):
        at = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
        yield f"{name}{at}: {error.message[:200]}"


@cache
def _validator(schema: str, is_partial: bool) -> Any:
    # one document, so that references inside it are found
    document = {
        **_as_json_schema(json.loads(schema), is_partial),
        "components": _schemas(is_partial),
    }
    return jsonschema.Draft7Validator(document)


@cache
def _schemas(is_partial: bool) -> Any:
    return _as_json_schema(_description()["components"], is_partial)


def _as_json_schema(node: Any, is_partial: bool) -> Any:
    """Return a schema of OpenAPI 3.0 as one of JSON Schema, whose word for `nullable` is another."""
    if isinstance(node, list):
        return [_as_json_schema(each, is_partial) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _as_json_schema(value, is_partial) for key, value in node.items()}
    if is_partial:
        if isinstance(made.get("required"), list):
            del made["required"]
        if "oneOf" in made:  # without what is required, several may fit
            made["anyOf"] = made.pop("oneOf")
    if made.pop("nullable", None) is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made
