"use strict";
/* The review grid: fifty drawings that the model reads as one digit. Marked drawings get another label;
   Enter accepts the others as that digit, stores all fifty, and brings the next. */

(() => {
    const RENEW_EVERY = 20000; // ms; a lease is three times as long
    const urls = desk.byId("grid").dataset;
    const cells = desk.byId("cells");
    let digit = Number(new URLSearchParams(location.search).get("digit")) || 0;
    let rows = [];
    let busy = false;
    const marks = new Map(); // id -> decision; null while the mark has none yet

    async function load() {
        marks.clear();
        await once(async () => {
            rows = (await desk.postSurely(urls.rows.replace("0/", `${digit}/`), {})).rows;
        });
        show();
    }

    async function once(work) {
        if (busy) return;
        busy = true;
        try {
            await work();
        } catch (error) {
            desk.refuse(error.message);
        }
        busy = false;
    }

    function show() {
        desk.byId("empty").hidden = rows.length > 0;
        for (const tab of document.querySelectorAll("[data-read]")) {
            tab.setAttribute("aria-pressed", String(Number(tab.dataset.read) === digit));
        }
        cells.replaceChildren(...rows.map(cell));
    }

    function cell(row) {
        const button = document.createElement("button");
        const image = Object.assign(new Image(), {src: row.input, alt: `Read as ${row.digit}`});
        const badge = document.createElement("span");
        button.type = "button";
        button.className = "desk-cell";
        button.dataset.id = row.id;
        button.setAttribute("aria-pressed", String(marks.has(row.id)));
        badge.textContent = label(row);
        button.append(image, badge);
        return button;
    }

    function label(row) {
        const mark = marks.get(row.id);
        if (mark) return mark.status === "rejected" ? "rejected" : `→ ${desk.name(mark.true_label)}`;
        if (mark === null) return "→ ?";
        return row.user_label !== null && row.user_label !== row.digit ? `says ${desk.name(row.user_label)}` : "";
    }

    function toggle(id) {
        if (marks.has(id)) marks.delete(id);
        else marks.set(id, null);
        show();
        cells.querySelector(`[data-id="${id}"]`).focus();
    }

    /* Gives a decision to the marks that have none yet. */
    function decide(status, trueLabel) {
        for (const [id, mark] of marks) {
            if (mark === null) marks.set(id, {status, true_label: trueLabel});
        }
        show();
    }

    async function store() {
        if ([...marks.values()].includes(null)) {
            desk.say("Some marked drawings have no digit yet: press what they are, or click them again.");
            return;
        }
        desk.say("");
        const accept = {status: "accepted", true_label: digit};
        const decisions = rows.map((row) => ({id: row.id, row_version: row.row_version, ...(marks.get(row.id) || accept)}));
        let stored = false;
        await once(async () => {
            const stale = (await desk.postSurely(urls.review, {decisions})).stale;
            if (stale) desk.refuse(`Drawings that others changed meanwhile: ${stale}. Their decision stands.`);
            stored = true;
        });
        if (stored) await load();
    }

    function act(key) {
        if (/^[0-9]$/.test(key)) decide("accepted", Number(key));
        else if (key === "n") decide("accepted", desk.NOT_A_DIGIT);
        else if (key === "r") decide("rejected", null);
        else if (key === "Enter") store();
        else return false;
        return true;
    }

    async function renew() {
        const held = rows.map((row) => row.id);
        if (!held.length || document.hidden) return;
        await desk.post(urls.lease, {held, skipped: [], count: 0}).catch((error) => desk.complain(error));
    }

    document.addEventListener("click", (event) => {
        const target = event.target.closest("[data-read], [data-id]");
        if (!target || busy) return;
        if (target.dataset.id) return toggle(target.dataset.id);
        if (marks.size) return desk.say("Accept the rest first, or click what is marked again: marks would be lost.");
        digit = Number(target.dataset.read);
        history.replaceState(null, "", `?digit=${digit}`);
        load();
    });
    desk.onKeys(act);
    setInterval(renew, RENEW_EVERY);
    window.addEventListener("beforeunload", (event) => { if (marks.size) event.preventDefault(); });
    load();
})();
