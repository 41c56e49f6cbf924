"use strict";
// Notes, from being typed until they are known to be saved. None is lost on the way, and none is left to be saved twice.

/** The notes that are typed and not saved, by purchase: also those from before the page was closed or reloaded. */
const drafts = readAllKept("note.");

/**
 * The last note on each purchase that was sent and is not known to be saved. A page that is closed or reloaded meanwhile does not
 * hear the answer: the next one has the note as a draft, until it is told that it is saved.
 * @type {Map<string, Review>}
 */
const sent = new Map([...readAllKept("sent.")].map(([id, review]) => [id, JSON.parse(review)]));
for (const [id, { note }] of sent) if (note && !drafts.has(id)) drafts.set(id, note);

/** The form of a note, kept while the same purchase is shown; `take` empties it. @type {{ of: string, form: HTMLElement, field: HTMLInputElement, take: () => Review } | undefined} */
let noting;

/** @param {string} id @param {string} text */
function setDraft(id, text) {
  keep(`note.${id}`, text);
  showDraft(id, text);
}

/** @param {string} id @param {string} text */
function showDraft(id, text) {
  if (text) drafts.set(id, text);
  else drafts.delete(id);
  if (noting?.of === id && noting.field.value !== text) noting.field.value = text;
}

// All tabs of a browser have the same drafts: one that was saved in another tab is none here.
addEventListener("storage", ({ key, newValue }) => {
  const begin = `${KEPT}note.`;
  if (key?.startsWith(begin)) showDraft(key.slice(begin.length), newValue ?? "");
});

/** @param {string} id @param {Review} [review] */
function setSent(id, review) {
  if (review) sent.set(id, review);
  else sent.delete(id);
  keep(`sent.${id}`, review ? JSON.stringify(review) : "");
}

/** Forget the notes that were sent and that the page was told of, unless another text was typed since. */
function forgetSaved() {
  for (const [id, { note, at }] of [...sent]) {
    if (!isThere(id, { note, at })) continue;
    setSent(id);
    if (drafts.get(id) === note) setDraft(id, "");
  }
}

/** Let go of the form of a note. Its text is kept; if its purchase is no longer shown, that is said. */
function leaveNote() {
  const purchase = app.model.purchases.get(noting?.of ?? "");
  noting = undefined;
  if (!purchase || !drafts.get(purchase.id)?.trim()) return;
  const job = app.model.byAddress.get(app.view.job);
  if (job?.shown?.id === purchase.id || app.view.compare.includes(purchase.id)) return;
  toast(`Not saved yet: the note on ${purchase.key}. Its field keeps it.`);
}

/** @param {Purchase} purchase */
function noteForm(purchase) {
  const { id } = purchase;
  if (noting?.of === id) return noting.form;
  const of = reel;
  const when = el("span", { class: "when" });
  const type = (/** @type {string} */ text) => {
    setDraft(id, text);
    if (!text) setSent(id); // it is discarded
  };
  const field = /** @type {HTMLInputElement} */ (
    el("input", {
      type: "text",
      maxlength: 4000,
      autocomplete: "off",
      placeholder: of ? "Note at this moment" : "Note",
      "aria-label": of ? "Note at this moment" : "Note",
      onfocus: () => of?.pause(),
      oninput: () => type(field.value),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Escape") {
          type("");
          field.blur();
        }
        if (event.key === "Enter" && !event.isComposing) send();
      },
    })
  );
  field.value = drafts.get(id) ?? "";
  // Compared with a longer video, one has no later moment than its end.
  const end = Math.max(...purchase.files.map((file) => file.duration ?? Infinity));
  const time = () => Math.min(of?.time ?? 0, end);
  const update = () => (when.textContent = of ? moment(time()) : "");
  of?.addEventListener("change", update);
  update();
  /** @returns {Review} */
  const take = () => {
    const note = field.value.trim();
    if (!note) return {};
    setDraft(id, "");
    return of ? { note, at: Math.round(time() * 1000) / 1000 } : { note };
  };
  const send = () => {
    const now = app.model.purchases.get(id);
    const review = now ? take() : {};
    if (!now || !review.note) return;
    field.blur();
    void save(now, review, "Noted");
  };
  const form = el("label", { class: "note" }, when, field, el("kbd", { text: "m" }));
  noting = { of: id, form, field, take };
  return form;
}

function writeNote() {
  /** @type {HTMLElement | null} */ (document.querySelector(".decide .note input"))?.focus();
}
