"use strict";
/* Shared by queue and grid: requests in order, keys and buttons, names of labels. */

// biome-ignore lint/correctness/noUnusedVariables: queue.js and grid.js use it
const desk = {
    NOT_A_DIGIT: 10,

    name(label) {
        return label === null ? "nothing" : label === desk.NOT_A_DIGIT ? "not a digit" : String(label);
    },

    byId(id) {
        return document.getElementById(id);
    },

    /* Resolves to the answer's JSON; rejects with an error that has its status (0: no answer). */
    async post(url, body) {
        const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
        let answer;
        try {
            answer = await fetch(url, {
                method: "POST",
                headers: {"Content-Type": "application/json", "X-CSRFToken": token},
                body: JSON.stringify(body),
                redirect: "error",
            });
        } catch {
            throw Object.assign(new Error("The server cannot be reached, or you are signed out."), {status: 0});
        }
        const type = answer.headers.get("Content-Type") || "";
        const data = type.includes("json") ? await answer.json() : {};
        if (!answer.ok) {
            const message = data.message || `The server answered ${answer.status}.`;
            throw Object.assign(new Error(message), {status: answer.status});
        }
        return data;
    },

    /* Tries again, for as long as the server is away: a decision must not be lost. */
    async postSurely(url, body) {
        for (let seconds = 1; ; seconds = Math.min(2 * seconds, 30)) {
            try {
                const answer = await desk.post(url, body);
                if (seconds > 1) desk.say("");
                return answer;
            } catch (error) {
                if (error.status !== 0 && error.status < 500) throw error;
                desk.say(`${error.message} Trying again: leave this page open.`);
                await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
            }
        }
    },

    say(text) {
        const message = desk.byId("message");
        message.textContent = text;
        message.hidden = !text;
    },

    /* Buttons with data-key and the keys themselves do the same. Enter on a link or a button that the Tab key
       has reached is for that one; a button that was clicked gives up the focus, so that Enter accepts again. */
    onKeys(act) {
        document.addEventListener("keydown", (event) => {
            const typing = event.target.closest("input, textarea, select, dialog[open]");
            const theirs = event.key === "Enter" && event.target.closest("a, button:not(.desk-cell)");
            if (typing || theirs || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
            if (act(event.key.length === 1 ? event.key.toLowerCase() : event.key)) event.preventDefault();
        });
        document.addEventListener("click", (event) => {
            const button = event.target.closest("[data-key], [data-read]");
            if (!button) return;
            if (event.detail > 0) button.blur(); // by mouse or finger; a click that Enter makes has 0
            if (button.dataset.key) act(button.dataset.key);
        });
    },
};
