// One tap is the visitor's word on the answer that was on show when it was tapped. A connection that was cut
// takes the tap along, so it is repeated until the page has taken note; the second time it says nothing new.

const SECONDS_TO_REPEAT = 3;
const repeats = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const { prediction, digit, said, back, past } = data;
  const before = repeats.get(parentElement);
  const say = (word) => {
    clearTimeout(repeats.get(parentElement)?.timer);
    setTriggerValue("word", word);
    repeats.set(parentElement, { word, timer: setTimeout(say, 1000 * SECONDS_TO_REPEAT, word) });
  };
  // Only another answer, or none, shows that the page has taken note: it may be drawn anew for other reasons.
  if (before?.word.prediction !== prediction) clearTimeout(before?.timer);
  find("p").textContent = said;
  find(".take-back").hidden = !back;
  find(".take-back span").textContent = back;
  find(".take-back img").src = `data:image/png;base64,${past}`;
  find(".take-back").onclick = () => setTriggerValue("back", true);
  find(".right").dataset.label = digit;
  for (const button of parentElement.querySelectorAll("[data-label]")) {
    button.disabled = !prediction;
    button.onclick = () => say({ prediction, label: Number(button.dataset.label) });
  }
}
