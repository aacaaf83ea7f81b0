"""Pen-up to the new answer on the drawing page, in a real headless Chromium.

    python -m benchmarks.page_latency [--strokes 50] [--visitors 1 20]

Starts the whole product on a var/ of its own, draws with finger or mouse at three sizes and prints a
markdown table. The time is taken inside the page, from the pen's lifting to the answer in the DOM.
Every visitor rests for about two seconds between strokes, as people do.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from tests.browser import ARGUMENTS, CANVAS, CHROMIUM, SIZES
from tests.product import Product

SECONDS_BETWEEN_STROKES = 2.0
SECONDS_TO_ANSWER = 30
SECONDS_TO_LOAD = 120

# Draws a stroke by mouse or touch events; the milliseconds from its end until there is another answer.
STROKE = """
async ([x0, y0, x1, y1, touch, limit]) => {
  const canvas = document.querySelector('.st-key-pad [data-testid=stBidiComponentIsolated]')
    .shadowRoot.querySelector('.upper-canvas');
  const box = canvas.getBoundingClientRect();
  const options = { bubbles: true, cancelable: true, composed: true };
  const send = (type, x, y) => {
    const place = { clientX: box.left + x / 280 * box.width, clientY: box.top + y / 280 * box.height };
    if (!touch) return canvas.dispatchEvent(new MouseEvent(type, { ...options, ...place }));
    const finger = new Touch({ identifier: 1, target: canvas, ...place });
    const touches = type === 'touchend' ? [] : [finger];
    canvas.dispatchEvent(new TouchEvent(type, { ...options, touches, changedTouches: [finger] }));
  };
  const kinds = touch ? 'touchstart touchmove touchend' : 'mousedown mousemove mouseup';
  const [down, move, up] = kinds.split(' ');
  const answer = document.querySelector('.st-key-answer');
  const shown = () => answer.querySelector('[data-prediction]')?.dataset.prediction;
  const before = shown();
  send(down, x0, y0);
  for (let step = 1; step <= 20; step++) {
    send(move, x0 + (x1 - x0) * step / 20, y0 + (y1 - y0) * step / 20);
    await new Promise(requestAnimationFrame);
  }
  const lifted = performance.now();
  send(up, x1, y1);
  return await new Promise((resolve, reject) => {
    const observer = new MutationObserver(() => {
      if (!shown() || shown() === before) return;
      observer.disconnect();
      resolve(performance.now() - lifted);
    });
    observer.observe(answer, { subtree: true, childList: true, attributes: true });
    setTimeout(() => reject(new Error('no answer')), limit);
  });
}
"""


async def visitor(browser: Browser, url: str, size: str, strokes: int) -> list[float]:
    """Draw digits of two strokes each; the milliseconds of every stroke."""
    width, height, touch = SIZES[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch
    )
    page = await context.new_page()
    page.set_default_timeout(1000 * SECONDS_TO_LOAD)
    await page.goto(url)
    await page.locator(CANVAS).wait_for()
    times = []
    for number in range(strokes):
        await asyncio.sleep(random.uniform(0.5, 1.5) * SECONDS_BETWEEN_STROKES)
        if number % 2 == 0:
            await page.keyboard.press("Delete")
            await page.locator(".st-key-answer .empty").wait_for()
        times.append(await stroke(page, touch))
    await context.close()
    return times


async def stroke(page: Page, touch: bool) -> float:
    ends = [random.uniform(30, 250) for _ in range(4)]
    return float(await page.evaluate(STROKE, [*ends, touch, 1000 * SECONDS_TO_ANSWER]))


async def measure(url: str, size: str, visitors: int, strokes: int) -> list[float]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        everyone = [visitor(browser, url, size, strokes) for _ in range(visitors)]
        times = await asyncio.gather(*everyone)
        await browser.close()
    return [time for own in times for time in own]


def main() -> None:
    parser = argparse.ArgumentParser(description="Pen-up to the new answer on the drawing page.")
    parser.add_argument("--strokes", type=int, default=50, help="by one visitor; each of many draws a fifth")
    parser.add_argument("--visitors", type=int, nargs="+", default=[1, 20])
    options = parser.parse_args()
    print("| size | visitors | strokes | median | 95th percentile |\n|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        Product(Path(folder), WEB_WORKERS="2", API_WORK="1000000") as product,
    ):
        for size, (width, height, touch) in SIZES.items():
            for visitors in options.visitors:
                strokes = options.strokes if visitors == 1 else max(2, options.strokes // 5)
                times = asyncio.run(measure(product.page, size, visitors, strokes))
                median, late = statistics.median(times), statistics.quantiles(times, n=20)[-1]
                place = f"{width}×{height}, {'touch' if touch else 'mouse'}"
                print(
                    f"| {place} | {visitors} | {len(times)} | {median:.0f} ms | {late:.0f} ms |", flush=True
                )


if __name__ == "__main__":
    main()
