"""What OpenAPI says of the ways in which a drawing may come; predictions/api/bodies.py reads them."""

from typing import Any

from predictions.api.schemas import PredictIn

# A one, 40×40 pixels.
ONE = (
    "iVBORw0KGgoAAAANSUhEUgAAACgAAAAoAQAAAACkhYXAAAAAKklEQVR42o3KMQ0AIB"
    "AEwckZAAn4FwnvgNwWUy1Vi6DwEXb9N17C6f5/AyFZAnX+0TtHAAAAAElFTkSuQmCC"
)
JSON = PredictIn.model_json_schema()
FIELDS = JSON["properties"]
FILE = {"type": "string", "contentMediaType": "image/*", "description": "An image file."}
STROKES = "application/json"  # how a form or an address brings them

EXAMPLES = {
    "strokes": {"value": {"strokes": [[[100, 20], [98, 100], [96, 200]]]}},
    "image": {"value": {"image": ONE}},
    "data URL": {"value": {"image": f"data:image/png;base64,{ONE}"}},
}


def query(name: str) -> dict[str, Any]:
    """One field, in the address of a request whose body is the picture."""
    field = FIELDS[name]
    told = {"content": {STROKES: {"schema": field}}} if name == "strokes" else {"schema": field}
    return {"in": "query", "name": name, "description": "Only beside an image/* body.", **told}


VISITOR = {
    "in": "header",
    "name": "X-Visitor",
    "description": "As `visitor` in the body.",
    "schema": FIELDS["visitor"],
}
PREDICT: dict[str, Any] = {
    "parameters": [query(name) for name in FIELDS if name not in ("image", "visitor")] + [VISITOR],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": JSON, "examples": EXAMPLES},
            "multipart/form-data": {
                "schema": JSON | {"properties": FIELDS | {"image": FILE}},
                "encoding": {"image": {"contentType": "image/*"}, "strokes": {"contentType": STROKES}},
            },
            "image/*": {"schema": FILE},
        },
    },
}
