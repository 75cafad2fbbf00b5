"""How the page looks, measured in the browser: what is wider than the screen, and what cannot be read."""

LEAST_CONTRAST = 4.5
"""WCAG 2.2, level AA."""

_OVERFLOWING = """
const root = document.documentElement, wide = [];
if (root.scrollWidth > root.clientWidth) wide.push(`the page: ${root.scrollWidth}`);
for (const element of document.querySelectorAll('body *')) {
  const box = element.getBoundingClientRect();
  const isUnseen = box.width <= 1 || element.closest('.skip, .unseen, thead, script, noscript');
  if (!isUnseen && (box.right > root.clientWidth + 1 || box.left < -1))
    wide.push(`${element.tagName}.${element.className}: ${Math.round(box.left)} to ${Math.round(box.right)}`);
}
return wide;
"""

_FAINT = """
const parts = color => color.match(/[\\d.]+/g).map(Number);
const luminance = color => {
  const [r, g, b] = parts(color).slice(0, 3).map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const behind = element => {
  for (; element; element = element.parentElement) {
    const color = getComputedStyle(element).backgroundColor;
    if ((parts(color)[3] ?? 1) > 0) return color;
  }
  return 'rgb(255, 255, 255)';
};
const faint = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || element.closest('.unseen, script, noscript, [hidden]')) continue;
  const [a, b] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
  const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (contrast < arguments[0]) faint.push(`${texts.currentNode.data.trim().slice(0, 30)}: ${contrast.toFixed(2)}`);
}
return faint;
"""


def overflowing(browser):
    return browser.run(_OVERFLOWING)


def contrasts(browser):
    """The texts whose contrast is too low."""
    return browser.run(_FAINT, LEAST_CONTRAST)
