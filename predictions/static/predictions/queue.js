"use strict";
/* The review queue. A decision shows the next drawing at once and is sent behind the scenes; the drawings
   after it are fetched ahead, and held for a minute at a time so that nobody else gets them. */

(() => {
    const AHEAD = 12;
    const FETCH_BELOW = 8;
    const RENEW_EVERY = 20000; // ms; a lease is three times as long
    const COUNTED = 10000; // more waiting rows than these are not counted
    const NAMED = 1000; // rows that a request names, at most
    const urls = desk.byId("queue").dataset;

    let rows = []; // the first is shown, the others wait behind it
    let past = []; // decided or skipped rows, the last one last, for undo
    const skipped = new Set();
    const unsent = new Set(); // ids of rows whose decision is on its way
    let sending = Promise.resolve(); // requests about rows go out one after the other
    let toSend = 0; // how many of them there are
    let change = 0; // of what waits, that the server does not know yet
    let leasing = false;
    let answered = false; // whether the server has said what waits
    let waiting = 0;
    let times = []; // of decisions

    /* After the decisions before it, so that the server's count knows them. */
    function lease() {
        if (leasing || document.hidden) return;
        leasing = true;
        sending = sending.then(fetchRows);
    }

    async function fetchRows() {
        const request = {
            held: rows.slice(0, NAMED).map((row) => row.id),
            skipped: [...skipped, ...unsent].slice(-NAMED),
            count: rows.length < FETCH_BELOW ? AHEAD : 0,
        };
        try {
            take(await desk.post(urls.lease, request));
            if (!answered) desk.say("");
            answered = true;
        } catch (error) {
            answered = false;
            desk.complain(error);
        }
        leasing = false;
        show();
    }

    function take(answer) {
        const lost = new Set(answer.lost);
        rows = rows.filter((row) => !lost.has(row.id));
        const known = new Set(rows.map((row) => row.id));
        const fresh = answer.rows.filter((row) => !known.has(row.id));
        for (const row of fresh) new Image().src = row.drawing;
        rows.push(...fresh);
        waiting = answer.waiting + change;
    }

    function show() {
        const row = rows[0];
        desk.byId("item").hidden = !row;
        desk.byId("empty").hidden = Boolean(row) || leasing || !answered;
        showProgress();
        if (!row) return;
        desk.byId("drawing").src = row.drawing;
        desk.byId("input").src = row.input;
        desk.byId("version").textContent = row.version;
        desk.byId("blind").hidden = !row.blind;
        desk.byId("second").hidden = !row.second;
        desk.byId("guesses").hidden = row.blind;
        desk.byId("accept").disabled = row.blind;
        desk.byId("proposal").textContent = row.blind ? "" : desk.name(proposal(row));
        for (const key of document.querySelectorAll(".desk-digits [data-key]")) {
            key.classList.toggle("desk-proposed", Number(key.dataset.key) === proposal(row));
        }
        const conflict = !row.blind && row.user_label !== null && row.user_label !== row.digit;
        desk.byId("item").classList.toggle("desk-conflict", conflict);
        if (!row.blind) showGuesses(row, conflict);
    }

    /* Of a row that a lot chose nobody's guess is known here. */
    function proposal(row) {
        return row.user_label ?? row.digit;
    }

    function showGuesses(row, conflict) {
        desk.byId("digit").textContent = row.digit;
        desk.byId("doubt").textContent = doubt(row);
        desk.byId("visitor").textContent = desk.name(row.user_label);
        desk.byId("conflict").hidden = !conflict;
        document.querySelectorAll("#bars tr").forEach((line, digit) => {
            line.classList.toggle("desk-said", conflict && digit === row.user_label);
            const percent = (100 * row.probabilities[digit]).toFixed(1);
            line.querySelector("meter").value = percent / 100; // as it is written: 0.0 % has no bar
            line.lastElementChild.textContent = `${percent} %`;
        });
    }

    function doubt(row) {
        const sure = `${(100 * row.confidence).toFixed(1)} % sure`;
        const second = row.second_reading === null || row.second_reading === row.digit ? "" : `, another version ${row.second_reading}`;
        return `${sure}${row.reason ? `, ${row.reason.toLowerCase()}` : ""}${second}`;
    }

    function showProgress() {
        const now = Date.now();
        times = times.filter((time) => now - time < 60000);
        const minutes = (now - times[0]) / 60000;
        desk.byId("rate").textContent = times.length > 2 ? Math.round((times.length - 1) / minutes) : "–";
        const done = past.filter((step) => step.decision).length;
        desk.byId("done").textContent = done;
        desk.byId("waiting").textContent = Math.min(waiting, COUNTED).toLocaleString("en") + (waiting < COUNTED ? "" : "+");
        desk.byId("progress").value = done / Math.max(done + waiting, 1);
    }

    function leave(decision) {
        const row = rows.shift();
        if (!row) return;
        const step = {row, decision};
        past.push(step);
        if (decision) send(step);
        else skipped.add(row.id);
        show();
        if (rows.length < FETCH_BELOW) lease();
    }

    function decide(status, label) {
        if (!rows.length) return;
        times.push(Date.now());
        leave({status, true_label: label});
    }

    /* Requests take the row's version when they go, since the one before may have changed it. */
    function send(step) {
        unsent.add(step.row.id);
        later(-1, step.row.second ? urls.opinion : urls.review, step.row, step.decision, (answer) => { step.row.row_version = answer.row_version; }, () => {
            past = past.filter((other) => other !== step);
        });
    }

    function undo() {
        const step = past.pop();
        if (!step) return;
        skipped.delete(step.row.id);
        rows.unshift(step.row);
        if (step.decision) {
            times.pop();
            later(1, step.row.second ? urls.undoOpinion : urls.undo, step.row, {}, (answer) => Object.assign(step.row, answer.row), () => {
                rows = rows.filter((row) => row !== step.row);
            });
        }
        show();
    }

    function count(requests, waitingMore) {
        toSend += requests;
        change += waitingMore;
        desk.byId("queue").setAttribute("aria-busy", String(toSend > 0));
    }

    /* A request that makes so many more wait. */
    function later(more, url, row, body, succeed, fail) {
        waiting = Math.max(waiting + more, 0);
        count(1, more);
        sending = sending.then(async () => {
            try {
                succeed(await desk.postSurely(url, {id: row.id, row_version: row.row_version, ...body}));
            } catch (error) {
                fail();
                desk.refuse(error.message);
                show();
            }
            unsent.delete(row.id);
            count(-1, -more);
        });
    }

    function act(key) {
        const row = rows[0];
        if (/^[0-9]$/.test(key)) decide("accepted", Number(key));
        else if (key === "Enter") row && !row.blind && decide("accepted", proposal(row));
        else if (key === "n") decide("accepted", desk.NOT_A_DIGIT);
        else if (key === "r") decide("rejected", null);
        else if (key === "s") leave(null);
        else if (key === "u") undo();
        else if (key === "?") desk.byId("help").showModal();
        else return false;
        return true;
    }

    desk.onKeys(act);
    setInterval(lease, RENEW_EVERY);
    for (const type of ["visibilitychange", "focus"]) window.addEventListener(type, lease);
    window.addEventListener("beforeunload", (event) => { if (toSend) event.preventDefault(); });
    lease();
})();
