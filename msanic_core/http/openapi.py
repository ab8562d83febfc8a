"""Makes the OpenAPI document (3.1) of the plugins' routes from the declarations on their handlers.

A type without a JSON Schema, for example because of its default value, gets the schema `{}`, which allows any value.
"""

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import GenericAlias
from typing import Any, NamedTuple

import msgspec
from sanic.response import BaseHTTPResponse

from msanic_core.commands.signature import NO_DATA
from msanic_core.db.pages import Page
from msanic_core.http.answer import JSON, MSGPACK
from msanic_core.http.endpoint import Operation
from msanic_core.http.path import PARAMETER, parameters_in, path_types

_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"})
_PARAMETER_SCHEMAS: Mapping[str, dict[str, str]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
    "ymd": {"type": "string", "format": "date"},
}
_REFERENCES = "#/components/schemas/{name}"


class DocumentedRoute(NamedTuple):
    """A route of a plugin. `parts`: the parts of its path, with parameters in Sanic's form `<id:int>`."""

    plugin: str
    name: str
    parts: tuple[str, ...]
    operations: Mapping[str, Operation]


def make_document(routes: Iterable[DocumentedRoute], title: str, version: str) -> dict[str, Any]:
    """Make the document. `title`, `version`: of the API, not of the server."""
    routes = list(routes)
    operations = [operation for route in routes for operation in route.operations.values()]
    schemas = _Schemas(operations, [type_ for route in routes for type_ in _path_types(route)])
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = "/" + "/".join(_templated(part) for part in route.parts)
        item = paths.setdefault(path, {})
        for method, operation in route.operations.items():
            if method in _METHODS:
                item[method.lower()] = _operation(route, method, operation, schemas)
    components: dict[str, Any] = {"schemas": schemas.named, "responses": {"Error": _response("an error", None)}}
    if any(operation.login for operation in operations):
        components["securitySchemes"] = {"login": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": components,
    }


class _Schemas:
    """The JSON Schemas of all types. Named types are components, to which the other schemas refer."""

    def __init__(self, operations: Iterable[Operation], others: Iterable[Any]) -> None:
        self._returned = {operation.function: _returned_type(operation.function) for operation in operations}
        types: list[Any] = []
        for type_ in others:
            types += [type_] if type_ not in types and _has_schema(type_) else []
        for operation in operations:
            candidates = (operation.query, operation.body, self._returned[operation.function])
            types += [type_ for type_ in candidates if type_ not in types and _has_schema(type_)]
        schemas, self.named = msgspec.json.schema_components(
            types, schema_hook=_custom_schema, ref_template=_REFERENCES
        )
        self._types = list(zip(types, schemas, strict=True))

    def of(self, type_: Any) -> dict[str, Any]:
        """The schema of a type, usually a reference; `{}` (any value) for None."""
        return next((schema for each, schema in self._types if each == type_), {})

    def returned(self, function: Callable[..., Any]) -> dict[str, Any]:
        """The schema of a handler's result; `{}` without a return annotation."""
        return self.of(self._returned[function])

    def fields(self, type_: type[msgspec.Struct]) -> list[tuple[str, dict[str, Any], bool]]:
        """Name and schema of each field of a Struct, and whether it is required."""
        reference = self.of(type_).get("$ref", "")
        properties = self.named[reference.rpartition("/")[2]]["properties"] if reference else {}
        return [
            (field.encode_name, properties.get(field.encode_name, {}), field.required)
            for field in msgspec.structs.fields(type_)
        ]


def _operation(route: DocumentedRoute, method: str, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    function = operation.function
    matches = [match for part in route.parts if (match := PARAMETER.match(part))]
    types = path_types(function, parameters_in(route.parts))
    found: dict[str, Any] = {
        "operationId": f"{route.name}.{method.lower()}",
        "tags": [route.plugin],
        "parameters": [_path_parameter(match, schemas.of(types.get(match["name"]))) for match in matches],
        "responses": {
            "200": _response("the answer", schemas.returned(function)),
            "default": {"$ref": "#/components/responses/Error"},
        },
    }
    if text := inspect.getdoc(function):
        found["summary"], _, description = text.partition("\n")
        if description.strip():
            found["description"] = description.strip()
    if operation.query is not None:
        found["parameters"] += [
            {"name": name, "in": "query", "required": required, "schema": schema}
            for name, schema, required in schemas.fields(operation.query)
        ]
    if operation.body is not NO_DATA:
        found["requestBody"] = {"required": True, "content": _content(schemas.of(operation.body))}
    if operation.login:
        found["security"] = [{"login": []}]
    return found


def _response(description: str, data: dict[str, Any] | None) -> dict[str, Any]:
    """Describe a response with its envelope. `data`: the schema of its data, None for an error."""
    properties: dict[str, Any] = {"code": {"type": "integer"}, "data": data or {}, "hint": {"type": "string"}}
    if data is not None:
        properties["total"] = {"type": "integer", "minimum": 0}
    envelope = {"type": "object", "required": ["code", "data", "hint"], "properties": properties}
    return {"description": description, "content": _content(envelope)}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {media_type: {"schema": schema} for media_type in (JSON, MSGPACK[0])}


def _templated(part: str) -> str:
    match = PARAMETER.match(part)
    return f"{{{match['name']}}}" if match else part


def _path_types(route: DocumentedRoute) -> Iterator[Any]:
    for operation in route.operations.values():
        yield from path_types(operation.function, parameters_in(route.parts)).values()


def _path_parameter(match: re.Match[str], schema: dict[str, Any]) -> dict[str, Any]:
    schema = schema or _PARAMETER_SCHEMAS.get(match["kind"] or "str", {"type": "string"})
    return {"name": match["name"], "in": "path", "required": True, "schema": schema}


def _returned_type(function: Callable[..., Any]) -> Any:
    """The type of the response's data, from the return annotation; None without one, or for a Sanic response."""
    try:
        type_ = typing.get_type_hints(function, include_extras=True).get("return")
    except (NameError, AttributeError, TypeError):
        return None
    if Page in (type_, typing.get_origin(type_)):
        return GenericAlias(list, typing.get_args(type_) or (dict[str, Any],))
    return None if isinstance(type_, type) and issubclass(type_, BaseHTTPResponse) else type_


def _has_schema(type_: Any) -> bool:
    try:
        msgspec.json.schema(type_, schema_hook=_custom_schema)
    except (TypeError, ValueError):
        return False
    return type_ is not None


def _custom_schema(type_: Any) -> dict[str, Any]:
    schema: Callable[[], dict[str, Any]] | None = getattr(type_, "json_schema", None)
    if schema is None:
        # Only `from_wire` knows which values are valid. msgspec does not accept an empty schema.
        return {"title": getattr(type_, "__name__", "")}
    return schema()
