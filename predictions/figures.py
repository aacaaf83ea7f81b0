"""How numbers and shares are written for people, in pages and in documents."""

NOTHING = "–"


def per_cent(share: float | None, places: int = 1) -> str:
    return NOTHING if share is None else f"{100 * share:.{places}f}\N{NO-BREAK SPACE}%"


def number(count: int | None) -> str:
    return NOTHING if count is None else f"{count:,}"


def interval(bounds: tuple[float, float] | None, places: int = 2) -> str:
    """Of two shares; the sign stands once."""
    return NOTHING if bounds is None else f"{100 * bounds[0]:.{places}f} to {per_cent(bounds[1], places)}"
