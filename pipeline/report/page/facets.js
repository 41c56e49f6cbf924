"use strict";
// Facets: the values of each field, with the number of jobs that have them. Ticking one puts its term into the search field.

const FOLDED = 8;
const MAX_VALUES = 200;

/** @type {Set<string>} */
const unfolded = new Set();

/** @returns {{ field: string, name: string, words?: Record<string, string>, order?: string[] }[]} */
function facetsOf(/** @type {Model} */ model) {
  return [
    ...(model.campaigns.length > 1 ? [{ field: "campaign", name: "Campaign" }] : []),
    { field: "status", name: "Status", words: STATUS_WORDS, order: Object.keys(STATUS_WORDS) },
    { field: "decision", name: "Decision", words: DECISION_WORDS, order: Object.keys(DECISION_WORDS) },
    { field: "job", name: "Rule" },
    { field: "template", name: "Template" },
    { field: "image", name: "Image" },
    { field: "prompt", name: "Prompt" },
    ...axesOf(model).map((axis) => ({ field: `matrix.${axis}`, name: axis })),
    { field: "ratio", name: "Ratio" },
  ];
}

/** The axes of all jobs, sorted. @param {Model} model */
function axesOf(model) {
  return [...new Set(model.jobs.flatMap((job) => Object.keys(job.axes ?? {})))].sort();
}

/** @typedef {ReturnType<typeof facetsOf>[0] & { values: string[], read: (job: Job) => string | undefined }} Facet */

/** The facets in the filters, kept so that each typed letter only updates the numbers. */
let drawn = {
  of: /** @type {Model | undefined} */ (undefined),
  shape: "",
  facets: /** @type {Facet[]} */ ([]),
};

/** @param {Search} search @param {Job[]} found */
function showFacets(search, found) {
  const facets = drawn.of === app.model ? drawn.facets : facetsOf(app.model).map(withValues);
  const shape = JSON.stringify(facets.map(shownValues));
  if (drawn.of !== app.model || drawn.shape !== shape) {
    const held = document.activeElement?.getAttribute("data-term");
    byId("filters").replaceChildren(...facets.filter((facet) => facet.values.length).map(facetSet));
    const again = held && byId("filters").querySelector(`[data-term="${CSS.escape(held)}"]`);
    if (again instanceof HTMLElement) again.focus();
    drawn = { of: app.model, shape, facets };
  }
  for (const facet of facets) updateCounts(facet, search, found);
}

/** A facet with all the values that its jobs have, in their order. @param {ReturnType<typeof facetsOf>[0]} facet */
function withValues(facet) {
  const read = /** @type {(job: Job) => string | undefined} */ (reader(facet.field));
  const order = facet.order ?? [];
  const values = [...countsOf(app.model.jobs, read).keys()].sort(
    (one, other) => order.indexOf(one) - order.indexOf(other) || natural(one, other),
  );
  return { ...facet, values, read };
}

/** @param {Facet} facet */
function isTicked(facet, value = "") {
  return hasTerm(app.view.q, termFor(facet.field, value));
}

/** The visible values: the first ones and the ticked ones, or all of them. @param {Facet} facet */
function shownValues(facet) {
  if (unfolded.has(facet.field)) return [...facet.values.slice(0, MAX_VALUES), ""];
  return facet.values.filter((value, index) => index < FOLDED || isTicked(facet, value));
}

/** @param {Facet} facet */
function facetSet(facet) {
  const values = shownValues(facet).filter(Boolean);
  const ends = countsOf(values, endsOf);
  return el(
    "fieldset",
    {},
    el("legend", { text: facet.name }),
    ...values.map((value) =>
      facetValue(facet.field, value, facet.words?.[value] ?? value, (ends.get(endsOf(value) ?? "") ?? 0) > 1),
    ),
    facet.values.length > FOLDED && foldButton(facet.field, facet.values.length, unfolded.has(facet.field)),
  );
}

/** How many jobs each value would leave, given the other facets. @param {Facet} facet @param {Search} search @param {Job[]} found */
function updateCounts(facet, search, found) {
  const own = search.terms.some((term) => term.field === facet.field);
  const counts = countsOf(own ? fitting(search, app.model.jobs, facet.field) : found, facet.read);
  for (const box of byId("filters").querySelectorAll(`input[data-field="${CSS.escape(facet.field)}"]`)) {
    const value = box.getAttribute("data-value") ?? "";
    /** @type {HTMLInputElement} */ (box).checked = isTicked(facet, value);
    const counter = box.parentElement?.querySelector("small");
    if (counter) counter.textContent = number(counts.get(value) ?? 0);
    box.parentElement?.classList.toggle("none", !counts.has(value));
  }
}

const COLLATOR = new Intl.Collator("en", { numeric: true });

/** @param {string} one @param {string} other */
function natural(one, other) {
  return COLLATOR.compare(one, other);
}

// A longer value is shortened in its middle, which leaves at least so much of its beginning and of its end.
const SHORT_VALUE = 12;
const KEPT_OF_VALUE = { begin: 4, end: 6 };

/** What is certain to be visible of a long value; undefined of a short one. @param {string} value */
function endsOf(value) {
  const letters = lettersOf(value);
  if (letters.length <= SHORT_VALUE) return undefined;
  return [...letters.slice(0, KEPT_OF_VALUE.begin), ...letters.slice(-KEPT_OF_VALUE.end)].join("");
}

/** @template T @param {T[]} all @param {(each: T) => string | undefined} read */
function countsOf(all, read) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const each of all) {
    const value = read(each);
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

/** @param {string} field @param {string} value @param {string} word @param {boolean} isWhole not shortened, as others would look the same */
function facetValue(field, value, word, isWhole) {
  const term = termFor(field, value);
  const box = /** @type {HTMLInputElement} */ (
    el("input", { type: "checkbox", "data-term": term, "data-field": field, "data-value": value })
  );
  box.addEventListener("change", () => go({ q: toggled(app.view.q, term) }));
  const letters = lettersOf(word);
  const shown =
    isWhole || letters.length <= SHORT_VALUE
      ? el("span", { class: isWhole ? "whole" : "", text: word })
      : el(
          "span",
          { class: "shortened", dir: "auto" },
          el("span", { text: letters.slice(0, -KEPT_OF_VALUE.end).join("") }),
          el("span", { text: letters.slice(-KEPT_OF_VALUE.end).join("") }),
        );
  return el("label", { title: word }, box, shown, el("small"));
}

/** @param {string} field @param {number} count @param {boolean} open */
function foldButton(field, count, open) {
  const toggle = () => {
    if (open) unfolded.delete(field);
    else unfolded.add(field);
    showFacets(searchFor(app.view.q, app.model.jobs), jobsShown());
  };
  const more = count > MAX_VALUES ? `First ${MAX_VALUES} of ${number(count)}` : `All ${number(count)}`;
  return el("button", {
    class: "quiet",
    "aria-expanded": String(open),
    onclick: toggle,
    text: open ? "Fewer" : more,
  });
}
