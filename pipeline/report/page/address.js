"use strict";
// The address contains the whole view, after `#`: this works from disk and on any server, and so do back and forward.

/** What an address of this page says, by name. */
function given(hash = location.hash) {
  return new URLSearchParams(hash.slice(1));
}

/** @returns {View} */
function viewOf(hash = location.hash) {
  const said = given(hash);
  const compare = (said.get("compare") ?? "").split(",").filter(Boolean).slice(0, 4);
  const job = said.get("job") ?? "";
  const named = said.get("view");
  return {
    view: job
      ? "job"
      : said.has("compare") || named === "compare"
        ? "compare"
        : named === "failures" || (named === "live" && source.isLive)
          ? named
          : "browse",
    q: said.get("q") ?? "",
    sort: Object.hasOwn(SORTS, said.get("sort") ?? "") ? (said.get("sort") ?? "") : "newest",
    job,
    file: Math.max(1, Math.trunc(Number(said.get("file"))) || 1),
    compare,
    mode: said.get("mode") === "side" ? "side" : "wipe",
  };
}

/** @param {Partial<View>} changes @returns {string} */
function addressOf(changes) {
  const view = { ...app.view, job: "", file: 1, compare: [], view: "browse", ...changes };
  const written = new URLSearchParams();
  if (view.view === "failures" || view.view === "live") written.set("view", view.view);
  if (view.view === "compare" && !view.compare.length) written.set("view", "compare");
  if (view.q) written.set("q", view.q);
  if (view.sort !== "newest") written.set("sort", view.sort);
  if (view.job) written.set("job", view.job);
  if (view.job && view.file > 1) written.set("file", String(view.file));
  if (view.compare.length) written.set("compare", view.compare.join(","));
  if (view.compare.length && view.mode === "side") written.set("mode", "side");
  const text = written
    .toString()
    .replaceAll("%2F", "/")
    .replaceAll("%3A", ":")
    .replaceAll("%2C", ",")
    .replaceAll("%3D", "=");
  return `#${text}`;
}

/** Go to another view. `replace`: the step is too small for the back button. @param {Partial<View>} changes */
function go(changes, { replace = false } = {}) {
  const address = addressOf(changes);
  if (!replace) return visit(address);
  history.replaceState(history.state, "", address);
  show();
}

/** Go to an address of this page, as one step of the browser. @param {string} address */
function visit(address) {
  const here = { address: location.hash || "#", scrolled: scrollY };
  const depth = depthOf(viewOf(address));
  const above = [...viewsAbove(), here].filter((each) => depthOf(viewOf(each.address)) < depth);
  history.replaceState({ ...history.state, scrolled: scrollY }, "");
  history.pushState({ above }, "", address);
  show();
}

/** The depth of a view: a job is opened from the overview or a list, a comparison from any of these. @param {View} view */
function depthOf({ view, compare }) {
  return view === "job" ? 1 : view === "compare" && compare.length > 1 ? 2 : 0;
}

/** The views that this one was opened from, the last one last. @returns {{ address: string, scrolled: number }[]} */
function viewsAbove() {
  return (
    /** @type {{ above?: { address: string, scrolled: number }[] } | null} */ (history.state)?.above ?? []
  );
}

/** Return to the view from which this one was opened, at its scroll position. */
function goBack() {
  const left = app.view;
  const { address, scrolled } = viewsAbove().at(-1) ?? { address: addressOf({}), scrolled: 0 };
  visit(address);
  standAgain(left, scrolled);
}

/** Restore the scroll position of a view, with the focus on what was opened from it. @param {View} left @param {number} scrolled */
function standAgain(left, scrolled) {
  scrollTo(0, scrolled);
  if (depthOf(left) <= depthOf(app.view)) return;
  if (app.view.view === "browse") {
    grid.layout();
    const isIt = (/** @type {Job} */ job) =>
      left.job ? job.address === left.job : job.shown?.id === left.compare.at(-1);
    const place = grid.jobs.findIndex(isIt);
    if (place >= 0) grid.focus(place);
    return;
  }
  const link = focusable(byId("view")).find((each) => {
    const to = viewOf(each.getAttribute("href") ?? "");
    return depthOf(to) > 0 && to.job === left.job && to.compare.join() === left.compare.join();
  });
  link?.focus({ preventScroll: true });
  link?.scrollIntoView({ block: "nearest" });
}

function backLink() {
  const href = viewsAbove().at(-1)?.address ?? addressOf({});
  return el(
    "a",
    { class: "tool", href, "data-back": true, "aria-label": "Back", title: "Back (Esc)" },
    icon("back"),
  );
}

/** A key as a link to its job, if it has one. @param {Purchase | Job} of */
function keyLink(of) {
  const job = app.model.byKey[of.campaign.number].get(of.key);
  const inner = keyLine(of);
  return job
    ? el(
        "a",
        { class: "key-link", title: of.key, href: addressOf({ view: "job", job: job.address }) },
        ...inner,
      )
    : el("span", { class: "key-link", title: of.key }, ...inner);
}
