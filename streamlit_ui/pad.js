// Additions to streamlit-drawable-canvas: keys, a stroke that is sent as soon as the pen is lifted, one finger,
// pen or button at a time, the width of a phone, and the visitor's cookie.

const SIZE = 280; // the canvas's own pixels, whatever size it has on the screen
const CONNECTION = "data-test-connection-state"; // of Streamlit's own tests
const DEAF_AFTER_TOUCH = 450; // ms that the package does not listen to the mouse, nor to a pen that Windows makes one
const YEAR = 365 * 24 * 3600;
const CLICKS = ["mousedown", "mousemove", "mouseup", "contextmenu"];
const TOUCHES = ["touchstart", "touchmove", "touchend", "touchcancel"];

class Companion {
  constructor(pad) {
    this.pad = pad;
    this.pen = null; // what draws now, as the package knows it: a finger's identifier, or "mouse"
    this.hand = null; // the same as it is: a pen may have taken over from the hand that it rests in
    this.isStylus = false; // whether the last that came down was a pen
    this.stylusDraws = false;
    this.touched = -Infinity; // when the last touch ended
    this.drawn = []; // the pen's events since the last tap or key elsewhere
    this.gone = new AbortController();
    const listen = (target, type, handle, options = {}) =>
      target.addEventListener(type, (event) => handle.call(this, event), { signal: this.gone.signal, ...options });
    const first = { capture: true, passive: false };
    listen(window, "pointerdown", ({ pointerType }) => (this.isStylus = pointerType === "pen"), first);
    for (const type of TOUCHES) listen(window, type, this.siftTouch, first);
    for (const type of CLICKS) listen(window, type, this.siftMouse, first);
    listen(pad, "mousedown", this.mouseDown);
    listen(pad, "touchstart", this.touchStart);
    listen(pad, "click", this.click);
    for (const type of [...CLICKS, ...TOUCHES]) listen(window, type, this.note);
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

  touchEnd({ changedTouches }) {
    if (changedTouches[0].identifier === this.pen) this.lifted();
  }

  // The package takes the first finger for the one that draws, and ends a stroke only when no finger at all is
  // left on the screen, be it a resting thumb. So it gets to know one finger only.
  siftTouch(event) {
    if (!event.isTrusted || !onCanvas(event)) return;
    const { type, touches, changedTouches } = event;
    const stylus = this.isStylus || changedTouches[0].touchType === "stylus";
    if (type === "touchstart" && this.mayDraw(stylus)) this.begin(changedTouches[0].identifier, stylus);
    const touch = [...changedTouches].find(({ identifier }) => identifier === this.hand);
    const ends = type === "touchend" || type === "touchcancel";
    const isPlain = touch?.identifier === (this.pen ?? this.hand) && type !== "touchcancel";
    if (isPlain && touches.length === (ends ? 0 : 1)) {
      if (ends) this.end(event);
      return;
    }
    swallow(event);
    if (touch) this.give(ends ? "touchend" : type, touch);
  }

  // The package ends a stroke with any button, and then waits in vain for the one that draws.
  siftMouse(event) {
    if (!event.isTrusted) return;
    const { type, button, buttons } = event;
    const isDeaf = this.hand !== null || event.timeStamp - this.touched < DEAF_AFTER_TOUCH;
    if (type === "mousedown" && onCanvas(event) && !button && isDeaf) {
      if (this.isStylus && this.mayDraw(true)) this.begin("mouse", true);
      swallow(event);
      if (this.hand === "mouse") this.give("touchstart", event);
    } else if (this.pen === null) return;
    else if (type === "contextmenu" || (type !== "mousemove" && button)) swallow(event);
    else if (this.hand === "mouse") {
      swallow(event);
      this.give(type === "mousemove" && buttons & 1 ? "touchmove" : "touchend", event);
    } else if (this.pen === "mouse" && type === "mousemove" && !(buttons & 1)) {
      swallow(event); // it was lifted where nobody saw it
      this.find("canvas.upper-canvas").dispatchEvent(new MouseEvent("mouseup", { ...BUBBLES, ...place(event) }));
    }
  }

  // A pen takes over from a finger or palm, which was there first only because it rests.
  mayDraw(stylus) {
    return this.pen === null || (stylus && !this.stylusDraws && this.pen !== "mouse");
  }

  begin(hand, stylus) {
    const canvas = this.find("canvas.upper-canvas");
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height); // of the palm's mark
    this.hand = hand;
    this.stylusDraws = stylus;
  }

  end({ timeStamp = performance.now() }) {
    this.hand = null;
    this.touched = timeStamp;
  }

  // The package starts its stroke anew when the finger that it knows comes down a second time.
  give(type, event) {
    const target = this.find("canvas.upper-canvas");
    const identifier = this.pen ?? (this.hand === "mouse" ? 0 : this.hand);
    const touch = new Touch({ identifier, target, ...place(event) });
    const touches = type === "touchend" ? [] : [touch];
    if (type === "touchend") this.end(event);
    target.dispatchEvent(new TouchEvent(type, { ...BUBBLES, changedTouches: [touch], touches, targetTouches: touches }));
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

  // U, Shift+U and Delete change the drawing; 0 to 9 and Enter press the buttons of feedback. Backspace is the
  // Delete of a Mac.
  key(event) {
    const typing = event.composedPath().some((node) => node.matches?.("input, textarea, [contenteditable]"));
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (this.pen !== null || !this.pad.offsetParent) return;
    const pressing = event.composedPath().some((node) => node.matches?.("button, a, [role=tab]"));
    const key = meaning(event);
    if (key === "u") this.tool(event.shiftKey ? "Redo" : "Undo")?.click();
    else if (key === "Delete" || key === "Backspace") this.tool("Reset")?.click();
    else if (/^[0-9]$/.test(key)) press(`.digits [data-label="${key}"]`);
    else if (key === "Enter" && !pressing) press(".right");
  }
}

// What a key means, on whatever keyboard: digits of every script, and where letters or signs have their places;
// the letter at the place where this alphabet has none.
const meaning = ({ key = "", code = "", shiftKey }) => {
  const [, place, letter] = code.match(/^(?:Digit([0-9])|Key([A-Z]))$/) ?? [];
  if (/^\p{Nd}$/u.test(key)) return String(digit(key.codePointAt(0)));
  if (place && !shiftKey) return place;
  if (letter && /^(?!\p{Script=Latin})\p{L}$/u.test(key)) return letter.toLowerCase();
  return [...key].length === 1 ? key.toLowerCase() : key;
};

// Ten digits follow one another in each script.
const digit = (point) => (/^\p{Nd}$/u.test(String.fromCodePoint(point - 1)) ? 1 + digit(point - 1) : 0);

const press = (button) => document.querySelector(`.st-key-feedback ${button}`).click();

const BUBBLES = { bubbles: true, cancelable: true, composed: true };

const place = ({ clientX, clientY }) => ({ clientX, clientY });

const swallow = (event) => {
  event.stopImmediatePropagation();
  event.preventDefault();
};

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
