// Waits for the next call at the sandbox and draws the board anew then: a quiet sandbox is a quiet page.
"use strict";
const board = document.getElementById("board");
const said = document.getElementById("said");
const pause = document.getElementById("pause");
let paused = false;
let go = () => {};

pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  if (!paused) go();
});

const last = () => Number(board.querySelector("[data-last]").dataset.last);
const rest = (ms) => new Promise((done) => setTimeout(done, ms));

// Keeps the keyboard where it was: the focused link is found again by its address.
function redraw(html) {
  const focused = document.activeElement && board.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const known = new Set(Array.from(board.querySelectorAll(".card"), (c) => c.id));
  board.innerHTML = html;
  for (const card of board.querySelectorAll(".card")) {
    if (!known.has(card.id)) card.classList.add("fresh");
  }
  if (focused) {
    const again = Array.from(board.querySelectorAll("a")).find((a) => a.getAttribute("href") === focused);
    if (again) again.focus({ preventScroll: true });
  }
}

async function watch() {
  for (;;) {
    if (paused) await new Promise((done) => { go = done; });
    try {
      const waited = await fetch(`/effects/wait?since=${last()}&timeout_ms=20000`);
      const news = await waited.json();
      if (news.length === 0 || paused) continue;
      const drawn = await fetch("/board");
      redraw(await drawn.text());
      const done = news.filter((e) => e.changed).pop();
      if (done) said.textContent = `${done.vendor}: ${done.summary}`;
      await rest(400); // a burst of calls is one picture
    } catch {
      said.textContent = "The sandbox has stopped; trying again.";
      await rest(3000);
    }
  }
}
watch();
