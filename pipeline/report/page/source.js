"use strict";
// The source of the page's data. This one reads the data embedded in the page; a served page replaces it with one of the
// same interface, and no other script has to know.

/** @type {Source} */
const source = {
  canDecide: false,
  isLive: false,
  hasEnded: false,
  isConnected: true,
  views: {},
  ready() {},
  goesOn: () => false,
  age: () => undefined,

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

  /** @returns {Promise<Outlook | undefined>} */
  async decide() {
    throw new Error("this page cannot save");
  },

  onChange() {},
};

/** The original of a text that was deflated and encoded as base64. @param {string} text */
async function inflated(text) {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

/** @type {Record<string, string> | null | undefined} */
let stills;

/** The stills embedded in the page; null if they are files beside it. */
function stillsInside() {
  if (stills === undefined) stills = JSON.parse(document.getElementById("stills")?.textContent || "null");
  return stills;
}
