"use strict";
// The contact sheet. Up to `WHOLE` jobs are all drawn, once there is time; of more, only rows near the visible ones.

const WHOLE = 300;
const AT_ONCE = 100;
const MAX_CARDS = 400;
const ROWS_BEYOND = 2;
// The delay before the rest of few jobs is drawn: longer than the time between two keystrokes.
const FILL_MS = 250;

const grid = {
  /** @type {Job[]} */
  jobs: [],
  /** @type {Map<string, HTMLElement>} */
  cards: new Map(),
  from: 0,
  to: 0,
  rowHeight: 0,
  /** The timer after which the rest of the jobs is drawn; 0: there is none. */
  filling: 0,
  /** The address of the card that has the focus, or had it last. */
  last: "",

  /**
   * Show `jobs`; the cards of `changed` are redrawn. The focus stays on its card, or goes to the next one if that is gone.
   * @param {Job[]} jobs @param {Set<string>} changed
   */
  show(jobs, changed) {
    const focused = document.activeElement?.closest("article.card");
    const isInView = !focused || isOnScreen(focused);
    byId("grid").hidden = !jobs.length;
    if (this.last) this.last = nextCard(this.last, this.jobs, jobs);
    for (const address of changed) this.remove(address);
    this.jobs = jobs;
    this.from = -1;
    clearTimeout(this.filling);
    const later = jobs.length > AT_ONCE && jobs.length <= WHOLE;
    this.filling = later ? setTimeout(() => this.fill(), FILL_MS) : 0;
    this.layout();
    this.mark();
    if (focused && !document.activeElement?.closest("article.card")) this.focusAgain(isInView);
  },

  /** Return the focus to the card that had it last, or to what ends a search that finds none. */
  focusAgain(scrolls = true) {
    if (!this.jobs.length) return byId("no-match").querySelector("button")?.focus();
    const link = /** @type {HTMLElement | null | undefined} */ (
      this.cards.get(this.last)?.querySelector(".open")
    );
    // Somebody who has scrolled on is not called back.
    if (link && !scrolls) link.focus({ preventScroll: true });
    else this.focus(this.jobs.findIndex((job) => job.address === this.last));
  },

  /** Draw all cards, so that the browser's own search finds them. */
  fill() {
    this.filling = 0;
    this.layout();
  },

  /** @param {string} address */
  remove(address) {
    const card = this.cards.get(address);
    if (card === undefined) return;
    if (preview?.card === card) stopPreview();
    card.remove();
    this.cards.delete(address);
  },

  columns() {
    return Math.max(1, getComputedStyle(byId("grid")).gridTemplateColumns.split(" ").length);
  },

  /** Draw the cards near the visible area, and remove the others. */
  layout() {
    const sheet = byId("grid");
    if (byId("browse").hidden) return;
    const columns = this.columns();
    if (this.jobs.length <= WHOLE && !this.filling) {
      this.place(0, this.jobs.length);
      setPadding(sheet, 0, 0);
      return;
    }
    this.rowHeight ||= this.measured();
    const rows = Math.ceil(this.jobs.length / columns);
    const above = Math.max(0, -sheet.getBoundingClientRect().top);
    const seen = Math.ceil(innerHeight / this.rowHeight) + 1;
    const most = Math.floor(MAX_CARDS / columns);
    const beyond = Math.max(0, Math.min(ROWS_BEYOND, Math.floor((most - seen) / 2)));
    const first = Math.max(0, Math.min(Math.floor(above / this.rowHeight), rows - seen) - beyond);
    const last = Math.min(rows, first + Math.min(most, seen + 2 * beyond));
    this.place(first * columns, Math.min(this.jobs.length, last * columns));
    setPadding(sheet, first * this.rowHeight, (rows - last) * this.rowHeight);
  },

  /** The height of a row with the gap below it: all cards have the same height. */
  measured() {
    if (!this.cards.size) this.place(0, 1);
    const card = byId("grid").firstElementChild;
    return (
      (card?.getBoundingClientRect().height ?? 300) + parseFloat(getComputedStyle(byId("grid")).rowGap || "0")
    );
  },

  /** @param {number} from @param {number} to */
  place(from, to) {
    if (from === this.from && to === this.to && this.cards.size === to - from) return;
    const wanted = this.jobs.slice(from, to);
    const kept = new Map(wanted.map((job) => [job.address, this.cards.get(job.address) ?? cardOf(job)]));
    const sheet = byId("grid");
    for (const address of this.cards.keys()) if (!kept.has(address)) this.remove(address);
    let next = sheet.firstElementChild;
    for (const card of kept.values()) {
      if (card === next) next = next.nextElementSibling;
      else sheet.insertBefore(card, next);
    }
    [...kept.values()].forEach((card, index) => {
      linkCard(card);
      card.setAttribute("aria-posinset", String(from + index + 1));
      card.setAttribute("aria-setsize", String(this.jobs.length));
    });
    this.cards = kept;
    this.from = from;
    this.to = to;
  },

  /** The index of the card that has the focus; -1: none has. */
  focused() {
    const address = document.activeElement?.closest("article")?.getAttribute("data-address");
    return address === undefined || address === null
      ? -1
      : this.jobs.findIndex((job) => job.address === address);
  },

  /** @param {number} place */
  focus(place) {
    if (!this.jobs.length) return;
    const at = Math.max(0, Math.min(this.jobs.length - 1, place));
    const address = this.jobs[at].address;
    if (!this.cards.has(address)) {
      const row = Math.floor(at / this.columns());
      scrollTo(
        0,
        scrollY + byId("grid").getBoundingClientRect().top + row * this.rowHeight - innerHeight / 3,
      );
      this.layout();
    }
    const link = /** @type {HTMLElement | null | undefined} */ (
      this.cards.get(address)?.querySelector(".open")
    );
    link?.focus({ preventScroll: true });
    link?.closest("article")?.scrollIntoView({ block: "nearest" });
  },

  /** Update which cards are shown as selected. */
  mark() {
    for (const [address, card] of this.cards) {
      const job = app.model.byAddress.get(address);
      const letters = job ? selectedOf(job) : "";
      card.classList.toggle("selected", letters !== "");
      const button = card.querySelector(".select");
      button?.setAttribute("aria-pressed", String(letters !== ""));
      if (button) button.textContent = letters;
    }
  },
};

/** @param {Element} element */
function isOnScreen(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}

/**
 * The address of a card while it is shown; then that of the next one that is, the first to decide of these, else of the last one.
 * @param {string} address @param {Job[]} before @param {Job[]} now
 */
function nextCard(address, before, now) {
  const shown = new Map(now.map((job) => [job.address, job]));
  if (shown.has(address)) return address;
  const at = before.findIndex((job) => job.address === address);
  const inTurn = [...before.slice(at + 1), ...before.slice(0, Math.max(0, at)).reverse()];
  const left = inTurn.map((job) => shown.get(job.address)).filter((job) => job !== undefined);
  return (left.find(isToDecide) ?? left.at(0))?.address ?? "";
}

/** @param {HTMLElement} sheet @param {number} above @param {number} below */
function setPadding(sheet, above, below) {
  sheet.style.paddingBlockStart = `${above}px`;
  sheet.style.paddingBlockEnd = `${below}px`;
}

/** @param {Event} event @returns {HTMLElement | null} */
function cardAt(event) {
  return event.target instanceof Element ? event.target.closest("article.card") : null;
}

function listenToGrid() {
  const sheet = byId("grid");
  const moving = matchMedia("(prefers-reduced-motion: reduce)");
  const look = (/** @type {Event} */ event) => {
    const card = cardAt(event);
    if (card && !moving.matches) startPreview(card);
  };
  sheet.addEventListener("pointerover", (event) => event.pointerType === "mouse" && look(event));
  sheet.addEventListener("focusin", look);
  sheet.addEventListener("focusin", (event) => (grid.last = cardAt(event)?.dataset.address ?? grid.last));
  sheet.addEventListener("pointerleave", stopPreview);
  // A press on another card takes the focus from this one: if what is pressed stopped playing then, it would get no click.
  sheet.addEventListener("focusout", (event) => preview?.card === cardAt(event) && stopPreview());
  sheet.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const opens = app.selecting && event.target.closest(".open");
    if (opens) event.preventDefault();
    if (opens || event.target.closest(".select")) toggleSelected(cardAt(event));
  });
  addEventListener("scroll", () => grid.layout(), { passive: true });
  let width = 0;
  // The height of the sheet changes with the number of jobs found, so only its width matters for the rows.
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width === width) return;
    width = contentRect.width;
    grid.rowHeight = 0;
    grid.from = -1;
    grid.layout();
  }).observe(sheet.parentElement ?? sheet);
}

/** @param {HTMLElement | null} card */
function toggleSelected(card) {
  const job = app.model.byAddress.get(card?.dataset.address ?? "");
  if (!job?.shown) return;
  toggleJob(job);
  showSelection();
}

/** Select a job, or let go of it; false if it cannot be selected. @param {Job} job */
function toggleJob(job) {
  const id = job.shown?.id;
  if (!id) return false;
  if (selectedOf(job)) app.selected = app.selected.filter((each) => !isOfJob(each, job));
  else if (app.selected.length < 4) app.selected = [...app.selected, id];
  else {
    toast("Four can be compared at most.", { local: true });
    return false;
  }
  return true;
}

/** Let a tap on a card select it, or open it again. @param {boolean} on */
function selectByTouch(on) {
  app.selecting = on;
  document.body.classList.toggle("selecting", on);
  byId("selecting").setAttribute("aria-pressed", String(on));
  byId("selecting").textContent = on ? "Done" : "Select";
}

/** Whether the screen is touched, and there may be no keys. */
function isTouched() {
  return matchMedia("(hover: none)").matches;
}

function showSelection() {
  grid.mark();
  const bar = byId("selection");
  const place = focusable(bar).indexOf(/** @type {HTMLElement} */ (document.activeElement));
  bar.hidden = !app.selected.length || byId("browse").hidden;
  bar.replaceChildren(
    el("span", { text: selectionLine() }),
    el("button", { onclick: compareSelected }, icon("compare"), "Compare", el("kbd", { text: "c" })),
    el(
      "button",
      { class: "optional", onclick: () => decideSelected("approve") },
      icon("check"),
      "Approve",
      el("kbd", { text: "a" }),
    ),
    el(
      "button",
      { class: "optional", onclick: () => decideSelected("reject") },
      icon("cross"),
      "Reject",
      el("kbd", { text: "r" }),
    ),
    el(
      "button",
      { class: "optional", onclick: () => decideSelected("redo") },
      icon("redo"),
      "Redo",
      el("kbd", { text: "d" }),
    ),
    el(
      "button",
      { "aria-label": "Clear the selection", title: "Clear the selection (Esc)", onclick: clearSelection },
      icon("cross"),
    ),
  );
  if (place < 0) return;
  if (bar.hidden) grid.focusAgain();
  else focusable(bar)[place]?.focus({ preventScroll: true });
}

/** How many are selected, and how many of them the search hides. */
function selectionLine() {
  const count = app.selected.length;
  const hidden = app.selected.filter((id) => !isInGrid(id)).length;
  return hidden ? `${count} selected, ${hidden} hidden` : `${count} selected`;
}

/** Whether the job of a purchase is among those that the search finds. @param {string} id */
function isInGrid(id) {
  return grid.jobs.some((job) => isOfJob(id, job));
}

function clearSelection() {
  app.selected = [];
  showSelection();
}

/** @param {Purchase[]} purchases */
function deselect(purchases) {
  app.selected = app.selected.filter((id) => purchases.every((each) => each.id !== id));
  showSelection();
}

function compareSelected() {
  if (app.selected.length < 2) return toast("Select two to four to compare them.");
  selectByTouch(false);
  go({ view: "compare", compare: app.selected });
}
