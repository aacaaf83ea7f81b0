"use strict";
/* The chosen file outlives the session: before the form goes, a request that changes nothing asks whether its
   operator is still signed in, until that is so. */

(() => {
    const form = desk.byId("import");
    let asking = false;
    let signedIn = false;

    async function ask(button) {
        asking = true;
        await desk.postSurely(form.dataset.lease, {held: [], skipped: [], count: 0});
        form.elements.csrfmiddlewaretoken.value = desk.token();
        signedIn = true;
        form.requestSubmit(button);
    }

    form?.addEventListener("submit", (event) => {
        if (signedIn) return;
        event.preventDefault();
        if (!asking) ask(event.submitter);
    });
    window.addEventListener("pageshow", () => { asking = signedIn = false; });
})();
