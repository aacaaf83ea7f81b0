"""This visitor's drawings and figures, below the pad."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from streamlit_ui import client
from streamlit_ui.answer import certainty, picture
from streamlit_ui.client import NOT_A_DIGIT, Answer
from streamlit_ui.session import Session, Turn
from streamlit_ui.trouble import attempt, explain


def load(session: Session) -> None:
    """Fetch what is not known: at the start, and after a change to more than one row."""
    if session.history is None:
        page = client.history(session.visitor, address=session.address)
        session.history, session.older = page["predictions"], page["next"]
    if session.stats is None:
        session.stats = client.stats(session.visitor, session.address)


def note(answer: Answer, session: Session) -> None:
    """A new answer heads the list, in the place of the earlier one of the same drawing."""
    if session.history is not None:
        others = [row for row in session.history if not row["drawing"] or row["drawing"] != answer["drawing"]]
        session.history = [answer, *others]


def load_older(session: Session) -> None:
    page = client.history(session.visitor, session.older, session.address)
    session.history = [*(session.history or []), *page["predictions"]]
    session.older = page["next"]


def delete(session: Session) -> None:
    """Delete everything of this visitor's, the drawing on the pad with it."""
    client.delete(session.visitor, session.address)
    session.history = session.stats = session.older = None
    session.drawn, session.upload = Turn(), Turn()
    session.file += 1
    session.new_paper()


def show(session: Session) -> None:
    st.html('<h2 class="heading">Your drawings</h2>')
    if session.stats:
        st.html(f'<p class="quiet">{figures(session.stats)}</p>')
    if session.history is None:
        return
    if not session.history:
        st.html('<p class="quiet">Your drawings are listed here.</p>')
        return
    st.html(table(session.history))
    with st.container(key="history-tools", horizontal=True, gap="small"):
        if session.older and st.button("Show more", key="older"):
            act(load_older, session)
        with st.popover("Delete my drawings"):
            st.write(what_deletion_reaches())
            if st.button("Delete them all", key="delete"):
                act(delete, session)


def what_deletion_reaches() -> str:
    """Weights are erased in the night after FORGET_DAYS."""
    reached = (
        "This deletes all your drawings from the database now. If a model learned from one, it is made again "
        f"without it, and the old one erased, within {days(client.FORGET_DAYS + 1)}."
    )
    return f"{reached} Backups are kept for {days(client.KEEP_DAYS)}." if client.KEEP_DAYS else reached


def days(count: int) -> str:
    return f"{count} day{'s' * (count != 1)}"


def act(step: Callable[[Session], None], session: Session) -> None:
    if trouble := attempt(step, session):
        st.warning(explain(trouble))
        session.history = session.stats = None  # it may have been deleted elsewhere
    else:
        st.rerun()


def figures(stats: dict[str, Any]) -> str:
    return f"{figure('Yours', stats['visitor'])}<br>{figure('Everyone’s', stats['everyone'])}"


def figure(whose: str, counts: dict[str, Any]) -> str:
    if not counts["labelled"]:
        return f"{whose}: no feedback yet."
    return f"{whose}: {counts['correct']:,} of {counts['labelled']:,} with feedback read right."


def table(answers: list[Answer]) -> str:
    rows = "".join(map(_row, answers))
    head = "<tr><th>Drawing</th><th>Read as</th><th>You said</th><th>When</th></tr>"
    return f'<table class="history"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _row(answer: Answer) -> str:
    said = {None: "–", NOT_A_DIGIT: "not a digit"}.get(answer["user_label"], answer["user_label"])
    wrong = ' class="wrong"' if answer["user_label"] not in (None, answer["digit"]) else ""
    return (
        f"<tr><td>{picture(answer['input'], 'Drawing', 'pixels small')}</td>"
        f"<td><strong>{answer['digit']}</strong> {certainty(answer)}</td>"
        f"<td{wrong}>{said}</td><td><time>{_when(answer['created_at'])}</time></td></tr>"
    )


def _when(moment: str) -> str:
    zone = find_zone(st.context.timezone, st.context.timezone_offset)
    return datetime.fromisoformat(moment).astimezone(zone).strftime("%-d %b, %H:%M")


def find_zone(name: Any, minutes_behind: Any) -> tzinfo:  # noqa: ANN401
    """The time zone of that name, else that so far behind UTC, else UTC: a browser may say anything."""
    with suppress(KeyError, OSError, TypeError, ValueError):
        return ZoneInfo(name)
    with suppress(OverflowError, TypeError, ValueError):
        return timezone(timedelta(minutes=-minutes_behind))
    return UTC
