"""/docs: the OpenAPI description as an HTML page that loads nothing from other origins."""

import html
from typing import Any

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Crier over HTTP</title>
"""


def page(description: dict[str, Any]) -> str:
    """Return an OpenAPI *description* as HTML."""
    schemas = description["components"]["schemas"]
    parts = [_HEAD, "<h1>Crier over HTTP</h1>", _paragraph(description["info"]["description"])]
    parts.append('<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>')
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>")
            parts += map(_paragraph, operation.get("description", "").split("\n\n"))
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is not None:
                parts.append(_fields(_resolve(body["schema"], schemas)))
            for parameter in operation.get("parameters", ()):
                meaning = html.escape(parameter.get("description", ""))
                name = html.escape(f"{parameter['in']} {parameter['name']}")
                parts.append(f"<p><code>{name}</code> {meaning}</p>")
            for status, answer in operation["responses"].items():
                if status.startswith("2"):
                    parts.append(_answer(status, answer, schemas))
    return "\n".join(parts)


def _answer(status: str, answer: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Return the description of one answer of a route."""
    heading = f"<h3>{status}</h3>{_paragraph(answer['description'])}"
    body = answer.get("content", {}).get("application/json")
    return heading + (_fields(_resolve(body["schema"], schemas)) if body and body["schema"] else "")


def _resolve(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a reference points to."""
    for option in (schema, *schema.get("anyOf", ())):
        if "$ref" in option:
            target: dict[str, Any] = schemas[option["$ref"].rpartition("/")[2]]
            return target
    return schema


def _fields(schema: dict[str, Any]) -> str:
    """Return the fields of an object as a list."""
    rows = []
    for name, field in schema.get("properties", {}).items():
        needed = " (needed)" if name in schema.get("required", ()) else ""
        meaning = html.escape(field.get("description", ""))
        kind = html.escape(_kind(field) + needed)
        rows.append(f"<dt><code>{html.escape(name)}</code> {kind}</dt><dd>{meaning}</dd>")
    return f"<dl>{''.join(rows)}</dl>" if rows else ""


def _kind(field: dict[str, Any]) -> str:
    """Return the type and limits of a field, in words."""
    if "anyOf" in field:
        return " or ".join(map(_kind, field["anyOf"]))
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if field.get("type") == "array":
        return f"list of {_kind(field['items'])}"
    kind = str(field.get("type", "anything"))
    limits = [str(field[end]) for end in ("minimum", "maximum") if end in field]
    return f"{kind} {' to '.join(limits)}" if limits else kind


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"
