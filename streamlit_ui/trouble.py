"""When the API is away, slow or says no: plain words, and another try by itself."""

import time
from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

from streamlit_ui.client import RefusedError, TryLaterError

Arguments = ParamSpec("Arguments")
Trouble = TryLaterError | RefusedError | None


def attempt(step: Callable[Arguments, None], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Trouble:
    """Do a step that calls the API; return the error, if it could not be done."""
    try:
        step(*args, **kwargs)
    except (TryLaterError, RefusedError) as trouble:
        return trouble
    return None


def explain(trouble: Trouble) -> str:
    if isinstance(trouble, TryLaterError):
        soon = "a second" if trouble.seconds == 1 else f"{trouble.seconds} seconds"
        return f"{trouble} Nothing is lost: the page tries again in {soon}, by itself."
    return str(trouble or "")


def show_banner(trouble: Trouble) -> None:
    """For what concerns everybody for a while. It lies over the page, of which nothing moves."""
    if isinstance(trouble, TryLaterError) and trouble.code == "no_room":
        st.html('<p class="banner" role="status">New drawings can’t be kept just now, so none are read.</p>')


def retry(trouble: Trouble) -> None:
    """Run the page again after the time that the API asked for. The ids make that harmless."""
    if not isinstance(trouble, TryLaterError):
        return
    due = time.monotonic() + trouble.seconds

    @st.fragment(run_every=trouble.seconds)
    def wait() -> None:
        if time.monotonic() > due - 0.5:
            st.rerun()

    wait()
