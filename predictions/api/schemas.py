"""The API's JSON, in and out; a body that does not fit is refused before a view sees it."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from ninja import Schema
from pydantic import BaseModel, Field, WithJsonSchema, field_validator, model_validator

from predictions.api.base64_text import decode_base64

MAX_POINTS = 2_000  # a person draws two hundred

Picture = Annotated[
    bytes, WithJsonSchema({"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"})
]
# The first fault is enough: to note one for each point of a million would take half a gigabyte.
Coordinate = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Stroke = Annotated[list[tuple[Coordinate, Coordinate]], Field(min_length=1, fail_fast=True)]
Digit = Annotated[int, Field(strict=True, ge=0, le=9)]


class PredictIn(BaseModel):
    """A drawing. Strokes are read where given, since they carry no pen width; the image is logged."""

    image: Picture | None = Field(None, description="An image file in base64, or as a data URL.")
    strokes: Annotated[list[Stroke], Field(min_length=1, fail_fast=True)] | None = Field(
        None, description="Pen strokes: lists of [x, y], y down."
    )
    id: UUID | None = Field(None, description="Send the same id again to retry: nothing is logged twice.")
    drawing: UUID | None = Field(None, description="The drawing in progress that this is a state of.")
    visitor: UUID | None = Field(None, description="Anonymous, for the visitor's own history.")
    source: Literal["page", "upload", "api"] = "api"

    @field_validator("image", mode="before")
    @classmethod
    def read_base64(cls, value: Any) -> bytes | None:  # noqa: ANN401
        """JSON has text; a file that came as it is, is left so."""
        if value is None or isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise ValueError("must be text in base64")
        return decode_base64(value)

    @model_validator(mode="after")
    def require_a_drawing(self) -> Self:
        if self.image is None and self.strokes is None:
            raise ValueError("needs an image or strokes")
        if self.count_points() > MAX_POINTS:
            raise ValueError(f"more than {MAX_POINTS:,} points are no drawing of a digit")
        return self

    def count_points(self) -> int:
        return sum(map(len, self.strokes or []))


class FeedbackIn(Schema):
    """The visitor's claim; the truth is an operator's."""

    label: Digit | None = None
    not_a_digit: Literal[True] | None = None

    @model_validator(mode="after")
    def require_one(self) -> Self:
        if (self.label is None) == (self.not_a_digit is None):
            raise ValueError("needs either label or not_a_digit")
        return self


class PredictionOut(Schema):
    id: UUID
    digit: int
    confidence: float
    probabilities: list[float] = Field(description="Of the digits 0 to 9; calibrated.")
    uncertain: bool
    reason: Literal["low_confidence", "not_a_digit", "unclear_picture"] | None
    model_version: str
    input: str = Field(description="What the model saw: a 28×28 PNG in base64.")
    created_at: datetime
    drawing: UUID | None
    user_label: int | None = Field(description="The visitor's claim; 10 is not a digit.")
    true_label: int | None = Field(description="The operator's decision; 10 is not a digit.")
    review_status: Literal["pending", "accepted", "rejected"]


class WithoutOut(Schema):
    drawing: str = Field(description="The ink, white on black, with the part that is left out in orange.")
    input: str = Field(description="What the model sees without that part: a 28×28 PNG in base64.")
    digit: int
    confidence: float
    uncertain: bool
    reason: Literal["low_confidence", "not_a_digit"] | None


class ExplanationOut(Schema):
    id: UUID
    drawing: str | None = Field(
        description="The picture that came, as a small PNG or JPEG in base64; null when none is kept."
    )
    mask: str | None = Field(
        description="The same, pale, with what was taken for ink coloured; null where strokes were read."
    )
    ink: str | None = Field(description="Its ink, white on black: this and the next are PNGs in base64.")
    scaled: str = Field(description="The ink's box, its longer side 20 pixels.")
    input: str = Field(description="The centre of mass in the middle of 28×28 pixels.")
    without: WithoutOut | None = Field(
        description="The answer without the piece of a stroke, or patch of ink, that it hangs on most: what "
        "remains looks most like another digit. Null where the drawing is too small to have parts, or the "
        "weights that read it are erased."
    )


class HistoryOut(Schema):
    predictions: list[PredictionOut]
    next: UUID | None = Field(description="Send it as `before` for the next page.")


class Accuracy(Schema):
    predictions: int
    labelled: int
    correct: int
    accuracy: float | None


class StatsOut(Schema):
    everyone: Accuracy
    visitor: Accuracy | None


class DeletedOut(Schema):
    deleted: int


class ModelOut(Schema):
    name: str
    created_at: datetime
    metrics: dict[str, Any]


class Problem(Schema):
    code: str
    message: str


class ErrorOut(Schema):
    error: Problem
