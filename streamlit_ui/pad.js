// The drawing pad. Every change of the drawing gets an id of its own here, in the browser, so that
// the same state sent twice (a reconnect, a retry) is the same prediction and is logged once.

const SIZE = 280; // the drawing's own units, whatever size the canvas has on the screen
const PEN = 18;
const YEAR = 365 * 24 * 3600;

// crypto.randomUUID needs HTTPS; a phone on the local network has none.
function uuid() {
  const random = (c) => (c ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (c / 4)))).toString(16);
  return "10000000-1000-4000-8000-100000000000".replace(/[018]/g, random);
}

function draw(context, strokes) {
  context.lineWidth = PEN;
  context.lineCap = context.lineJoin = "round";
  for (const [first, ...rest] of strokes) {
    context.beginPath();
    context.moveTo(...first);
    context.lineTo(...first); // a dot, when nothing follows
    for (const point of rest) context.lineTo(...point);
    context.stroke();
  }
}

// White ink on black, like MNIST, whatever the theme shows.
function picture(strokes) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE;
  const context = canvas.getContext("2d", { alpha: false });
  context.strokeStyle = "#fff";
  draw(context, strokes);
  return canvas.toDataURL("image/png");
}

class Pad {
  constructor(root) {
    this.root = root.querySelector(".pad");
    this.canvas = root.querySelector("canvas");
    this.buttons = Object.fromEntries([...root.querySelectorAll("button")].map((b) => [b.name, b]));
    this.drawing = uuid();
    this.strokes = [];
    this.undone = [];
    this.pointer = null; // the finger or pen that draws now; a second one (a palm) is ignored
    this.listen();
  }

  listen() {
    this.canvas.onpointerdown = (event) => this.penDown(event);
    this.canvas.onpointermove = (event) => this.penMove(event);
    this.canvas.onpointerup = this.canvas.onpointercancel = (event) => this.penUp(event);
    // No gesture may start here: after a quick stroke Chromium takes the next tap as the end of a fling.
    this.canvas.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
    this.buttons.undo.onclick = () => this.undo();
    this.buttons.redo.onclick = () => this.redo();
    this.buttons.clear.onclick = () => this.clear();
    this.onkey = (event) => this.key(event);
    document.addEventListener("keydown", this.onkey);
    this.resized = new ResizeObserver(() => this.paint());
    this.resized.observe(this.canvas);
  }

  remove() {
    document.removeEventListener("keydown", this.onkey);
    this.resized.disconnect();
  }

  // What the page says: `next` takes the place of the drawing it came after, and of no other one.
  follow({ next, visitor }) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `visitor=${visitor}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
    if (next?.after === this.drawing) this.replace(next);
    this.paint(); // the theme may have changed
  }

  replace({ drawing, id, strokes }) {
    this.drawing = drawing;
    this.undone = [];
    this.strokes = this.pointer === null ? strokes : [...strokes, this.strokes.at(-1)];
    this.send(id);
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const scaled = (offset, length) => Math.round(Math.min(Math.max(offset / length, 0), 1) * SIZE * 10) / 10;
    return [scaled(event.clientX - box.left, box.width), scaled(event.clientY - box.top, box.height)];
  }

  penDown(event) {
    if (this.pointer !== null || event.button !== 0) return;
    event.preventDefault();
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.strokes.push([this.point(event)]);
    this.paint();
  }

  penMove(event) {
    if (event.pointerId !== this.pointer) return;
    const stroke = this.strokes.at(-1);
    for (const step of event.getCoalescedEvents?.() ?? [event]) {
      const [x, y] = this.point(step);
      if (Math.hypot(x - stroke.at(-1)[0], y - stroke.at(-1)[1]) >= 1) stroke.push([x, y]);
    }
    this.paint();
  }

  penUp(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.undone = [];
    this.send();
  }

  undo() {
    if (this.pointer !== null || !this.strokes.length) return;
    this.undone.push(this.strokes.pop());
    this.send();
  }

  redo() {
    if (this.pointer !== null || !this.undone.length) return;
    this.strokes.push(this.undone.pop());
    this.send();
  }

  clear() {
    if (this.pointer !== null || !this.strokes.length) return;
    this.drawing = uuid();
    this.strokes = [];
    this.undone = [];
    this.send();
  }

  // U, Shift+U and Delete change the drawing; 0 to 9 and Enter are feedback for the page.
  key(event) {
    const typing = event.composedPath().some((node) => node.matches?.("input, textarea, [contenteditable]"));
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat || !this.canvas.offsetParent) return;
    const pressing = event.composedPath().some((node) => node.matches?.("button, a, [role=tab]"));
    if (event.key === "u") this.undo();
    else if (event.key === "U") this.redo();
    else if (event.key === "Delete") this.clear();
    else if (/^[0-9]$/.test(event.key) || (event.key === "Enter" && !pressing)) this.sendKey(event.key);
  }

  send(id = uuid()) {
    const empty = !this.strokes.length;
    const image = empty ? null : picture(this.strokes);
    this.setStateValue("drawing", { drawing: this.drawing, id: empty ? null : id, strokes: this.strokes, image });
    this.paint();
  }

  sendKey(key) {
    if (this.strokes.length && this.pointer === null) this.setTriggerValue("key", key);
  }

  paint() {
    const pixels = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (!pixels) return; // not on the screen
    this.canvas.width = this.canvas.height = pixels; // clears it too
    const context = this.canvas.getContext("2d");
    context.scale(pixels / SIZE, pixels / SIZE);
    context.strokeStyle = getComputedStyle(this.canvas).color;
    draw(context, this.strokes);
    this.root.classList.add("ready");
    this.root.classList.toggle("drawn", this.strokes.length > 0);
    this.buttons.undo.disabled = this.buttons.clear.disabled = !this.strokes.length;
    this.buttons.redo.disabled = !this.undone.length;
  }
}

const pads = new WeakMap();

// Streamlit calls this again with every change of `data`; the pad lives on between the calls.
export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!pads.has(parentElement)) pads.set(parentElement, new Pad(parentElement));
  const pad = pads.get(parentElement);
  Object.assign(pad, { setStateValue, setTriggerValue });
  pad.follow(data);
  return () => pad.remove();
}
