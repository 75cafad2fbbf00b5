// Fetches the page again every few seconds and replaces the parts that have changed. The page is complete without
// this script.
"use strict";
(() => {
  const EVERY_MS = 5000;
  const PATIENCE_MS = 20000;
  const PARTS = ["summary", "as-of", "live"];
  const stale = document.getElementById("stale");
  const live = document.getElementById("live");
  if (!live) return;

  // A text that the reader is selecting is not replaced under the pointer.
  const isBeingMarked = () => {
    const marked = getSelection();
    return !marked.isCollapsed && live.contains(marked.anchorNode);
  };

  const putInPlace = (next) => {
    const focused = document.activeElement?.id;
    for (const part of PARTS) {
      const [old, fresh] = [document.getElementById(part), next.getElementById(part)];
      if (old.innerHTML === fresh.innerHTML) continue;
      old.className = fresh.className;
      old.replaceChildren(...fresh.childNodes);
    }
    if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };

  const refresh = async () => {
    let next;
    try {
      const reply = await fetch("/", { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(PATIENCE_MS) });
      next = new DOMParser().parseFromString(await reply.text(), "text/html");
      // The session has ended, unless the server refuses for a moment.
      if (!next.getElementById("live")) {
        if (reply.ok) return location.reload();
        throw new Error("refused");
      }
    } catch {
      stale.hidden = false;
      return;
    }
    stale.hidden = true;
    putInPlace(next);
  };

  const again = async () => {
    if (!document.hidden && !isBeingMarked()) await refresh();
    setTimeout(again, EVERY_MS);
  };
  setTimeout(again, EVERY_MS);
})();
