// Additions to streamlit-drawable-canvas: keys, a stroke that is sent as soon as the pen is lifted,
// one finger at a time, the width of a phone, and the visitor's cookie.

const SIZE = 280; // the canvas's own pixels, whatever size it has on the screen
const CONNECTION = "data-test-connection-state"; // of Streamlit's own tests
const YEAR = 365 * 24 * 3600;
const MOVES = ["mousedown", "mousemove", "mouseup", "touchstart", "touchmove", "touchend", "touchcancel"];

class Companion {
  constructor(pad) {
    this.pad = pad;
    this.pen = null; // the finger that draws now, or "mouse"
    this.drawn = []; // the pen's events since the last tap or key elsewhere
    this.gone = new AbortController();
    const listen = (target, type, handle) =>
      target.addEventListener(type, (event) => handle.call(this, event), { signal: this.gone.signal });
    listen(pad, "mousedown", this.mouseDown);
    listen(pad, "touchstart", this.touchStart);
    listen(pad, "click", this.click);
    for (const type of MOVES) listen(window, type, this.note);
    for (const type of ["click", "keydown"]) listen(window, type, this.forget);
    listen(window, "mouseup", this.mouseUp);
    listen(window, "touchend", this.touchEnd);
    listen(window, "touchcancel", this.touchEnd);
    listen(document, "keydown", this.key);
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(pad);
    this.connected = new MutationObserver(([{ target }]) => this.sendAgain(target));
    this.connected.observe(document.querySelector(".stApp"), { attributeFilter: [CONNECTION] });
  }

  remove() {
    this.gone.abort();
    this.resized.disconnect();
    this.connected.disconnect();
  }

  follow({ visitor, returned, paper }) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API needs HTTPS and a new browser
    document.cookie = `visitor=${visitor}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
    this.returned = returned;
    this.pad.style.setProperty("--hint", returned ? "hidden" : "visible");
    if (this.paper && paper !== this.paper && !returned) this.drawAgain();
    this.paper = paper;
  }

  note(event) {
    if (this.pen !== null) this.drawn.push(event);
  }

  forget(event) {
    if (event.isTrusted && !onCanvas(event)) this.drawn = [];
  }

  // The page gave new paper, for a tap or key. Strokes drawn since then are on the old one: once the new one
  // is there, which is within a frame or two, the pen's way is repeated on it.
  drawAgain() {
    if (this.hasInk()) return requestAnimationFrame(() => this.drawAgain());
    const canvas = this.find("canvas.upper-canvas");
    const drawn = this.drawn.splice(0);
    this.pen = null;
    for (const event of drawn) canvas.dispatchEvent(new event.constructor(event.type, event));
  }

  hasInk() {
    const context = this.find(".dc-canvas.lower-canvas").getContext("2d");
    return context.getImageData(0, 0, SIZE, SIZE).data.some((value, index) => index % 4 === 0 && value);
  }

  fit() {
    if (this.pad.clientWidth) this.pad.style.setProperty("--zoom", this.pad.clientWidth / SIZE);
  }

  // In the package's shadow root.
  find(selector) {
    const roots = [...this.pad.querySelectorAll("*")].map((element) => element.shadowRoot);
    return roots.map((root) => root?.querySelector(selector)).find(Boolean);
  }

  // What was drawn while there was no connection was never sent.
  sendAgain(app) {
    if (app.getAttribute(CONNECTION) === "CONNECTED") this.tool("Update")?.click();
  }

  // A button of the package's toolbar, by the start of its name.
  tool(name) {
    return this.find(`.dc-toolbar [aria-label^="${name}"]`);
  }

  mouseDown(event) {
    if (onCanvas(event) && event.button === 0) this.pen ??= "mouse";
  }

  touchStart(event) {
    if (onCanvas(event)) this.pen ??= event.changedTouches[0].identifier;
  }

  mouseUp() {
    if (this.pen === "mouse") this.lifted();
  }

  // The package ends a stroke only when no finger at all is left on the screen, be it a resting thumb.
  touchEnd({ type, touches, changedTouches }) {
    const fingers = [...changedTouches];
    if (!fingers.some(({ identifier }) => identifier === this.pen)) return;
    if (type === "touchcancel" || touches.length)
      document.dispatchEvent(new TouchEvent("touchend", { changedTouches: fingers }));
    this.lifted();
  }

  // By itself the package waits 200 ms for the next stroke before it sends this one.
  lifted() {
    this.pen = null;
    document.querySelector(".st-key-answer")?.setAttribute("aria-live", "polite"); // is read out
    setTimeout(() => this.tool("Update")?.click());
  }

  // The package resets to what was there at first: to the drawing that came back.
  click(event) {
    const reset = event.composedPath().some((node) => node.matches?.('[aria-label^="Reset"]'));
    if (reset && this.returned) this.setTriggerValue("clear", true);
  }

  // U, Shift+U and Delete change the drawing; 0 to 9 and Enter press the buttons of feedback.
  key(event) {
    const typing = event.composedPath().some((node) => node.matches?.("input, textarea, [contenteditable]"));
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (this.pen !== null || !this.pad.offsetParent) return;
    const pressing = event.composedPath().some((node) => node.matches?.("button, a, [role=tab]"));
    if (event.key === "u") this.tool("Undo")?.click();
    else if (event.key === "U") this.tool("Redo")?.click();
    else if (event.key === "Delete") this.tool("Reset")?.click();
    else if (/^[0-9]$/.test(event.key)) press(`.digits [data-label="${event.key}"]`);
    else if (event.key === "Enter" && !pressing) press(".right");
  }
}

const press = (button) => document.querySelector(`.st-key-feedback ${button}`).click();

const onCanvas = (event) => event.composedPath()[0].matches?.("canvas");

const companions = new WeakMap();

// Streamlit calls this again with every change of `data`; the companion lives on between the calls.
export default function ({ data, parentElement, setTriggerValue }) {
  if (!companions.has(parentElement))
    companions.set(parentElement, new Companion(parentElement.closest(".st-key-pad")));
  const companion = companions.get(parentElement);
  companion.setTriggerValue = setTriggerValue;
  companion.follow(data);
  return () => companion.remove();
}
