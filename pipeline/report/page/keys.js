"use strict";
// The keyboard: every key, its action in each view, and the list of keys.

const KEYS = [
  {
    name: "Find and move",
    keys: [
      ["Find", "/"],
      ["To what was found", "Enter", "↓"],
      ["Next card", "←", "→", "↑", "↓"],
      ["Open", "Enter"],
      ["Back", "Esc"],
      ["Job after, before", "j", "k"],
      ["These keys", "?"],
    ],
  },
  {
    name: "Look",
    keys: [
      ["Play, pause", "Space"],
      ["One frame", ",", "."],
      ["Select", "x"],
      ["Compare", "c"],
      ["Wipe, side by side", "w", "s"],
      ["Side A, side B", "[", "]"],
    ],
  },
  {
    name: "Decide",
    keys: [
      ["Next undecided", "n"],
      ["Approve", "a"],
      ["Reject", "r"],
      ["Redo", "d"],
      ["Take it back", "u"],
      ["Stars", "1", "–", "5"],
      ["Note at this moment", "m"],
    ],
  },
];

/** Actions that only a page that can save has. */
const SAVING = new Set(["Stars", "Note at this moment"]);

function showKeys() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("keys"));
  const close = el(
    "button",
    { class: "tool", "aria-label": "Close", onclick: () => dialog.close() },
    icon("cross"),
  );
  const columns = KEYS.map((column) =>
    el(
      "div",
      {},
      el("h3", { text: column.name }),
      el(
        "dl",
        {},
        ...column.keys
          .filter(([name]) => source.canDecide || !SAVING.has(name))
          .map(([name, ...keys]) =>
            el(
              "div",
              {},
              el("dt", { text: name }),
              el("dd", {}, ...keys.map((key) => el("kbd", { text: key }))),
            ),
          ),
      ),
    ),
  );
  dialog.replaceChildren(
    el("div", { class: "dialog-head" }, el("h2", { id: "keys-title", text: "Keys" }), close),
    el("div", { class: "key-columns" }, ...columns),
  );
  dialog.showModal();
}

/** @type {Record<string, (event: KeyboardEvent) => void>} */
const EVERYWHERE = {
  "/": () => find(),
  "?": () => showKeys(),
  n: () => nextUndecided(),
};

/** @type {Record<string, (event: KeyboardEvent) => void>} */
const IN_GRID = {
  ArrowRight: () => grid.focus(grid.focused() + 1),
  ArrowLeft: () => grid.focus(grid.focused() - 1),
  ArrowDown: () => grid.focus(grid.focused() < 0 ? 0 : grid.focused() + grid.columns()),
  ArrowUp: () => grid.focus(grid.focused() - grid.columns()),
  j: () => grid.focus(grid.focused() + 1),
  k: () => grid.focus(grid.focused() - 1),
  " ": () => playFocused(),
  x: () => toggleSelected(focusedCard()),
  c: () => compareSelected(),
  a: () => decideSelected("approve"),
  r: () => decideSelected("reject"),
  d: () => decideSelected("redo"),
  u: () => takeBackSelected(),
  Escape: () => (app.selected.length ? clearSelection() : app.view.q && go({ q: "" })),
};

/** @type {Record<string, (event: KeyboardEvent) => void>} */
const WITH_VIDEO = {
  " ": () => toggleReel(),
  ",": () => void reel?.step(-1),
  ".": () => void reel?.step(1),
  ArrowLeft: () => void reel?.seek(reel.time - 1),
  ArrowRight: () => void reel?.seek(reel.time + 1),
  a: () => deciding && decide("approve", [deciding]),
  r: () => deciding && decide("reject", [deciding]),
  d: () => deciding && decide("redo", [deciding]),
  u: () => deciding?.decision && decide("undecide", [deciding]),
  ...Object.fromEntries([1, 2, 3, 4, 5].map((stars) => [String(stars), () => rate(stars)])),
  m: () => writeNote(),
  Escape: () => goBack(),
};

/** @type {Record<string, Record<string, (event: KeyboardEvent) => void>>} */
const IN_VIEW = {
  browse: IN_GRID,
  job: {
    ...WITH_VIDEO,
    j: () => neighbour(1),
    k: () => neighbour(-1),
    c: () => document.getElementById("compare-takes")?.click(),
    x: () => selectOpen(),
  },
  compare: {
    ...WITH_VIDEO,
    w: () => compareAs({ mode: "wipe" }),
    s: () => compareAs({ mode: "side" }),
    "[": () => chooseSide(-1),
    "]": () => chooseSide(1),
  },
  failures: { Escape: () => go({}) },
  live: {},
};

function focusedCard() {
  return /** @type {HTMLElement | null} */ (document.activeElement?.closest("article.card") ?? null);
}

function playFocused() {
  const card = focusedCard();
  if (!card) return;
  if (preview?.card !== card) startPreview(card);
  else if (preview.video.paused) void preview.video.play();
  else preview.video.pause();
}

/** @param {number} by */
function neighbour(by) {
  const list = jobsInTurn();
  const next = list[list.findIndex((job) => job.address === app.view.job) + by];
  if (next) go({ view: "job", job: next.address });
}

function selectOpen() {
  const job = app.model.byAddress.get(app.view.job);
  const before = app.selected;
  if (!job || !toggleJob(job)) return;
  const word = app.selected.length < before.length ? "No longer selected; " : "";
  toast(`${word}${app.selected.length} selected; c in the overview compares them.`);
}

function find() {
  if (app.view.view !== "browse") go({});
  const field = /** @type {HTMLInputElement} */ (byId("search"));
  field.focus();
  field.select();
}

/** The keys that lead from the search field to what it found. */
const LEADS_ON = new Set(["Enter", "ArrowDown"]);

/** @param {KeyboardEvent} event */
function toFound(event) {
  if (event.isComposing || app.view.view !== "browse") return;
  event.preventDefault();
  grid.focus(0);
}

/** Past the top, the overview and the filters. */
function skip() {
  if (app.view.view === "browse" && grid.jobs.length) grid.focus(0);
  else byId("main").focus();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (/** @type {HTMLDialogElement} */ (byId("keys")).open) return;
  const target = event.target instanceof Element ? event.target : document.body;
  if (target.matches("input[type=text]")) return; // a note: every key is text
  if (target.matches("input[type=search], select, textarea")) {
    if (event.key === "Escape") leaveSearch(event);
    if (target.matches("input[type=search]") && LEADS_ON.has(event.key)) toFound(event);
    return;
  }
  // Buttons handle these keys themselves. A timeline gets no arrows: its own step would be a thousandth of a second.
  if (target.matches("button") && (event.key === " " || event.key === "Enter")) return;
  const act = (IN_VIEW[app.view.view] ?? {})[event.key] ?? EVERYWHERE[event.key];
  if (!act) return;
  event.preventDefault();
  act(event);
}

/**
 * Remove the focus from a button that was pressed with a pointer (in some browsers it never gets the focus): Space would press
 * it again, and withdraw a decision, instead of playing. The button of a card passes the focus to the card.
 * @param {MouseEvent} event
 */
function letGo(event) {
  const focused = document.activeElement;
  if (!event.detail || !(focused instanceof HTMLElement) || !focused.matches("button")) return;
  const isPressed =
    event.target instanceof Node && (focused.contains(event.target) || !event.target.isConnected);
  if (!isPressed || !focused.closest("#view, #grid, #selection")) return;
  const card = focused.closest("article.card")?.querySelector(".open");
  if (card instanceof HTMLElement) card.focus({ preventScroll: true });
  else focused.blur();
}

/** @param {KeyboardEvent} event */
function leaveSearch(event) {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (event.target);
  if (app.view.q && field.value) go({ q: "" });
  else field.blur();
}
