"use strict";
// Facets: the values of each field with how many jobs have them. Ticking one writes its term into the search field.

const FOLDED = 8;
const MOST_VALUES = 200;

/** @type {Set<string>} */
const unfolded = new Set();

/** @returns {{ field: string, name: string, words?: Record<string, string>, order?: string[] }[]} */
function facetsOf(/** @type {Model} */ model) {
  const axes = new Set(model.jobs.flatMap((job) => Object.keys(job.axes ?? {})));
  return [
    ...(model.campaigns.length > 1 ? [{ field: "campaign", name: "Campaign" }] : []),
    { field: "status", name: "Status", words: STATUS_WORDS, order: Object.keys(STATUS_WORDS) },
    { field: "decision", name: "Decision", words: DECISION_WORDS, order: Object.keys(DECISION_WORDS) },
    { field: "job", name: "Rule" },
    { field: "template", name: "Template" },
    { field: "image", name: "Image" },
    { field: "prompt", name: "Prompt" },
    ...[...axes].sort().map((axis) => ({ field: `matrix.${axis}`, name: axis })),
    { field: "ratio", name: "Ratio" },
  ];
}

/** @param {Search} search */
function showFacets(search) {
  const held = document.activeElement?.getAttribute("data-term");
  const sets = facetsOf(app.model).map((facet) => facetSet(facet, search));
  byId("filters").replaceChildren(.../** @type {HTMLElement[]} */ (sets.filter(Boolean)));
  const again = held && byId("filters").querySelector(`[data-term="${CSS.escape(held)}"]`);
  if (again instanceof HTMLElement) again.focus();
}

/** @param {ReturnType<typeof facetsOf>[0]} facet @param {Search} search */
function facetSet(facet, search) {
  const read = /** @type {(job: Job) => string | undefined} */ (reader(facet.field));
  const all = countsOf(app.model.jobs, read);
  if (!all.size) return undefined;
  const now = countsOf(fitting(search, app.model.jobs, facet.field), read);
  const order = facet.order ?? [];
  const values = [...all.keys()].sort(
    (one, other) => order.indexOf(one) - order.indexOf(other) || natural(one, other),
  );
  const ticked = values.filter((value) => hasTerm(app.view.q, termFor(facet.field, value)));
  const open = unfolded.has(facet.field);
  const shown = open
    ? values.slice(0, MOST_VALUES)
    : values.filter((value, index) => index < FOLDED || ticked.includes(value));
  return el(
    "fieldset",
    {},
    el("legend", { text: facet.name }),
    ...shown.map((value) =>
      facetValue(facet.field, value, facet.words?.[value] ?? value, now.get(value) ?? 0),
    ),
    values.length > FOLDED && foldButton(facet.field, values.length, open),
  );
}

const COLLATOR = new Intl.Collator("en", { numeric: true });

/** @param {string} one @param {string} other */
function natural(one, other) {
  return COLLATOR.compare(one, other);
}

/** @param {Job[]} jobs @param {(job: Job) => string | undefined} read */
function countsOf(jobs, read) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const job of jobs) {
    const value = read(job);
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

/** @param {string} field @param {string} value @param {string} word @param {number} count */
function facetValue(field, value, word, count) {
  const term = termFor(field, value);
  const box = /** @type {HTMLInputElement} */ (
    el("input", { type: "checkbox", "data-term": term, "data-field": field, "data-value": value })
  );
  box.checked = hasTerm(app.view.q, term);
  box.addEventListener("change", () => go({ q: toggled(app.view.q, term) }));
  return el("label", { title: word }, box, el("span", { text: word }), el("small", { text: number(count) }));
}

/** @param {string} field @param {number} count @param {boolean} open */
function foldButton(field, count, open) {
  const toggle = () => {
    if (open) unfolded.delete(field);
    else unfolded.add(field);
    showFacets(searchFor(app.view.q, app.model.jobs));
  };
  const more = count > MOST_VALUES ? `First ${MOST_VALUES} of ${number(count)}` : `All ${number(count)}`;
  return el("button", {
    class: "quiet",
    "aria-expanded": String(open),
    onclick: toggle,
    text: open ? "Fewer" : more,
  });
}
