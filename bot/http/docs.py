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
    shapes = description["components"]["schemas"]
    parts = [_HEAD, "<h1>Crier over HTTP</h1>", _paragraph(description["info"]["description"])]
    parts.append('<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>')
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>")
            parts += map(_paragraph, operation.get("description", "").split("\n\n"))
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is not None:
                parts.append(_fields(_shape(body["schema"], shapes)))
            for parameter in operation.get("parameters", ()):
                what = html.escape(parameter.get("description", ""))
                where = f"{parameter['in']} {parameter['name']}"
                parts.append(f"<p><code>{html.escape(where)}</code> {what}</p>")
            for status, answer in operation["responses"].items():
                if status.startswith("2"):
                    parts.append(_answer(status, answer, shapes))
    return "\n".join(parts)


def _answer(status: str, answer: dict[str, Any], shapes: dict[str, Any]) -> str:
    """Return one answer of a route."""
    heading = f"<h3>{status}</h3>{_paragraph(answer['description'])}"
    body = answer.get("content", {}).get("application/json")
    return heading + (_fields(_shape(body["schema"], shapes)) if body and body["schema"] else "")


def _shape(schema: dict[str, Any], shapes: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a reference leads to."""
    for option in (schema, *schema.get("anyOf", ())):
        if "$ref" in option:
            shape: dict[str, Any] = shapes[option["$ref"].rpartition("/")[2]]
            return shape
    return schema


def _fields(shape: dict[str, Any]) -> str:
    """Return the fields of an object as a list."""
    rows = []
    for name, field in shape.get("properties", {}).items():
        needed = " (needed)" if name in shape.get("required", ()) else ""
        what = html.escape(field.get("description", ""))
        kind = html.escape(_kind(field) + needed)
        rows.append(f"<dt><code>{html.escape(name)}</code> {kind}</dt><dd>{what}</dd>")
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
