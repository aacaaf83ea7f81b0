// One tap is the visitor's word on the answer that was on show when it was tapped.
export default function ({ data, parentElement, setTriggerValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const { prediction, digit, said, back } = data;
  find("p").textContent = said;
  find(".take-back").hidden = !back;
  find(".take-back").onclick = () => setTriggerValue("back", true);
  find(".right").dataset.label = digit;
  for (const button of parentElement.querySelectorAll("[data-label]")) {
    button.disabled = !prediction;
    button.onclick = () => setTriggerValue("word", { prediction, label: Number(button.dataset.label) });
  }
}
