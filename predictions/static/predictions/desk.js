"use strict";
/* Shared by queue, grid and import: requests that outlive a session, keys and buttons, names of labels. */

const DOUBLE_CLICK = 500; // ms

// biome-ignore lint/correctness/noUnusedVariables: the pages' own scripts use it
const desk = {
    /* What a key means, on whatever keyboard: digits of every script, and where letters or signs have their
       places; the letter at the place where this alphabet has none. */
    meaning({key = "", code = "", shiftKey}) {
        const [, place, letter] = code.match(/^(?:Digit([0-9])|Key([A-Z]))$/) ?? [];
        if (/^\p{Nd}$/u.test(key)) return String(desk.digit(key.codePointAt(0)));
        if (place && !shiftKey) return place;
        if (letter && /^(?!\p{Script=Latin})\p{L}$/u.test(key)) return letter.toLowerCase();
        return [...key].length === 1 ? key.toLowerCase() : key;
    },

    /* Ten digits follow one another in each script. */
    digit(point) {
        return /^\p{Nd}$/u.test(String.fromCodePoint(point - 1)) ? 1 + desk.digit(point - 1) : 0;
    },

    NOT_A_DIGIT: 10,
    refusals: 0,

    name(label) {
        return label === null ? "nothing" : label === desk.NOT_A_DIGIT ? "not a digit" : String(label);
    },

    byId(id) {
        return document.getElementById(id);
    },

    /* As it is now: signing in again, in whatever tab, makes another one. */
    token() {
        return document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? "";
    },

    /* Resolves to the answer's JSON; rejects with an error that has its status (0: no answer). The page is one
       operator's: what was decided on it must not be stored as another's who signed in meanwhile. */
    async post(url, body) {
        const headers = {
            "Content-Type": "application/json",
            "X-CSRFToken": desk.token(),
            "X-Operator": document.querySelector("[data-operator]").dataset.operator,
        };
        let answer;
        try {
            answer = await fetch(url, {method: "POST", headers, body: JSON.stringify(body), redirect: "error"});
        } catch {
            throw Object.assign(new Error("The server cannot be reached."), {status: 0});
        }
        const type = answer.headers.get("Content-Type") || "";
        const data = type.includes("json") ? await answer.json() : {};
        if (!answer.ok) {
            const message = data.message || `The server answered ${answer.status}.`;
            throw Object.assign(new Error(message), {status: answer.status});
        }
        return data;
    },

    /* Tries again until the server is back and its operator signed in: a decision must not be lost. */
    async postSurely(url, body) {
        for (let seconds = 1; ; seconds = Math.min(2 * seconds, 30)) {
            try {
                const answer = await desk.post(url, body);
                if (seconds > 1) desk.say("");
                return answer;
            } catch (error) {
                if (!desk.passes(error)) throw error;
                desk.complain(error, "Nothing is lost: leave this page open, it tries again by itself.");
                await desk.pause(seconds);
            }
        }
    },

    /* Whether it is about the moment, not about the request. */
    passes({status}) {
        return status === 0 || status >= 500 || desk.isSignedOut(status) || status === 408 || status === 429;
    },

    isSignedOut(status) {
        return status === 401 || status === 403;
    },

    /* Ends early when somebody comes back to the page, from signing in for instance. */
    pause(seconds) {
        return new Promise((resolve) => {
            const timer = setTimeout(resolve, 1000 * seconds);
            window.addEventListener("focus", () => { clearTimeout(timer); resolve(); }, {once: true});
        });
    },

    /* Says what went wrong, and where to sign in if it is that. */
    complain(error, comfort = "") {
        desk.say(`${error.message} ${comfort}`.trim());
        if (!desk.isSignedOut(error.status)) return;
        const {login} = document.querySelector("[data-login]").dataset;
        const link = Object.assign(document.createElement("a"), {href: login, target: "_blank", textContent: "Sign in"});
        desk.byId("message").append(" ", link);
    },

    say(text) {
        const message = desk.byId("message");
        message.textContent = text;
        message.hidden = !text;
    },

    /* Says that something was not stored. It stays until it has been seen: the next key comes fast. */
    refuse(text) {
        const refused = desk.byId("refused");
        desk.refusals += 1;
        refused.firstElementChild.textContent = desk.refusals === 1 ? text : `${desk.refusals} times: ${text}`;
        refused.hidden = false;
        refused.querySelector("button").onclick = () => { desk.refusals = 0; refused.hidden = true; };
    },

    /* The second click would decide about the next drawing, which nobody has seen yet. */
    takeDoubleClicksForOne() {
        let last = 0;
        const swallow = (event) => {
            if (!event.target.closest("[data-key], [data-read], [data-id]")) return;
            if (event.detail > 1 && event.timeStamp - last < DOUBLE_CLICK) event.stopImmediatePropagation();
            else last = event.timeStamp;
        };
        document.addEventListener("click", swallow, true);
    },

    /* Buttons with data-key and the keys themselves do the same. Enter on a link or a button that the Tab key
       has reached is for that one; a button that was clicked gives up the focus, so that Enter accepts again. */
    onKeys(act) {
        desk.takeDoubleClicksForOne();
        document.addEventListener("keydown", (event) => {
            const typing = event.target.closest("input, textarea, select, dialog[open]");
            const theirs = event.key === "Enter" && event.target.closest("a, button:not(.desk-cell)");
            if (typing || theirs || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
            if (act(desk.meaning(event))) event.preventDefault();
        });
        document.addEventListener("click", (event) => {
            const button = event.target.closest("[data-key], [data-read]");
            if (!button) return;
            if (event.detail > 0) button.blur(); // by mouse or finger; a click that Enter makes has 0
            if (button.dataset.key) act(button.dataset.key);
        });
    },
};
