"use strict";
// The address holds the whole view, behind `#`: that works from disk and on any server, and back and forward work.

/** @returns {View} */
function viewOf(hash = location.hash) {
  const given = new URLSearchParams(hash.slice(1));
  const compare = (given.get("compare") ?? "").split(",").filter(Boolean).slice(0, 4);
  const job = given.get("job") ?? "";
  const named = given.get("view");
  return {
    view: job
      ? "job"
      : given.has("compare") || named === "compare"
        ? "compare"
        : named === "failures" || (named === "live" && source.isLive)
          ? named
          : "browse",
    q: given.get("q") ?? "",
    sort: Object.hasOwn(SORTS, given.get("sort") ?? "") ? (given.get("sort") ?? "") : "newest",
    job,
    compare,
    mode: given.get("mode") === "side" ? "side" : "wipe",
  };
}

/** @param {Partial<View>} changes @returns {string} */
function addressOf(changes) {
  const view = { ...app.view, job: "", compare: [], view: "browse", ...changes };
  const written = new URLSearchParams();
  if (view.view === "failures" || view.view === "live") written.set("view", view.view);
  if (view.view === "compare" && !view.compare.length) written.set("view", "compare");
  if (view.q) written.set("q", view.q);
  if (view.sort !== "newest") written.set("sort", view.sort);
  if (view.job) written.set("job", view.job);
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

/** Go to another view. `replace` where the step is too small for the back button. @param {Partial<View>} changes */
function go(changes, { replace = false } = {}) {
  const address = addressOf(changes);
  if (replace) history.replaceState(history.state, "", address);
  else {
    history.replaceState({ scrolled: scrollY }, "");
    history.pushState(null, "", address);
  }
  show();
}
