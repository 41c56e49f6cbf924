"use strict";
// Where the data comes from. This one reads the data in the page; a page that is served can have another with the
// same face, and nothing else has to know.

/** @type {Source} */
const source = {
  canDecide: false,
  isLive: false,
  hasEnded: false,
  views: {},
  ready() {},
  goesOn: () => false,

  async load() {
    return JSON.parse(await inflated(byId("data").textContent ?? ""));
  },

  still(file) {
    if (!file.poster || !file.id) return undefined;
    const inside = stillsInside();
    return inside ? inside[file.id] : `posters/${file.id}.webp`;
  },

  href(file) {
    return file.href;
  },

  async decide() {
    throw new Error("this page cannot save");
  },

  onChange() {},
};

/** Text that was deflated and written in base64: the data of a campaign repeats from job to job. @param {string} text */
async function inflated(text) {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

/** @type {Record<string, string> | null | undefined} */
let stills;

/** The stills of a page that holds them all; null where they lie beside it. */
function stillsInside() {
  if (stills === undefined) stills = JSON.parse(document.getElementById("stills")?.textContent || "null");
  return stills;
}
