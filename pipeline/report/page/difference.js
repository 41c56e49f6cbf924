"use strict";
// The differences between two requests: prompts word by word, options and images one by one.

const MAX_WORDS = 1200;

/** @param {string} text @param {string} [lang] @returns {string[]} */
function wordsOf(text, lang) {
  if (!("Segmenter" in Intl)) return text.split(/(\s+)/).filter(Boolean);
  return [...new Intl.Segmenter(lang, { granularity: "word" }).segment(text)].map((each) => each.segment);
}

/**
 * The edits that turn one text into another.
 * @param {string} before @param {string} after @param {string} [lang]
 * @returns {{ kind: "same" | "out" | "in", text: string }[]}
 */
function differenceOf(before, after, lang) {
  const old = wordsOf(before, lang);
  const now = wordsOf(after, lang);
  if (old.length > MAX_WORDS || now.length > MAX_WORDS) {
    return before === after
      ? [{ kind: "same", text: after }]
      : [
          { kind: "out", text: before },
          { kind: "in", text: after },
        ];
  }
  return joined(steps(old, now, longestCommon(old, now)));
}

/** The lengths of the longest common subsequences, for each pair of suffixes. @param {string[]} old @param {string[]} now */
function longestCommon(old, now) {
  const table = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      table[i][j] = old[i] === now[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  return table;
}

/**
 * @param {string[]} old @param {string[]} now @param {Uint16Array[]} table
 * @returns {{ kind: "same" | "out" | "in", text: string }[]}
 */
function steps(old, now, table) {
  /** @type {{ kind: "same" | "out" | "in", text: string }[]} */
  const found = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      found.push({ kind: "same", text: old[i++] });
      j++;
    } else if (j >= now.length || (i < old.length && table[i + 1][j] >= table[i][j + 1]))
      found.push({ kind: "out", text: old[i++] });
    else found.push({ kind: "in", text: now[j++] });
  }
  return found;
}

/**
 * Adjacent parts of one kind, joined; a blank between two changes belongs to both of them.
 * @param {{ kind: "same" | "out" | "in", text: string }[]} parts
 */
function joined(parts) {
  /** @type {{ kind: "same" | "out" | "in", text: string }[]} */
  const made = [];
  let out = "";
  let into = "";
  const flush = () => {
    if (out) made.push({ kind: "out", text: out });
    if (into) made.push({ kind: "in", text: into });
    out = into = "";
  };
  parts.forEach((part, index) => {
    const between =
      part.kind === "same" && !part.text.trim() && index > 0 && parts[index + 1]?.kind !== "same";
    if (part.kind === "out") out += part.text;
    else if (part.kind === "in") into += part.text;
    else if (between && (out || into) && index + 1 < parts.length) {
      if (out) out += part.text;
      if (into) into += part.text;
    } else {
      flush();
      const last = made.at(-1);
      if (last?.kind === "same") last.text += part.text;
      else made.push({ kind: "same", text: part.text });
    }
  });
  flush();
  return made;
}

/** The change from one text to another, as elements. @param {string} before @param {string} after @param {string} [lang] */
function changedText(before, after, lang) {
  const parts = differenceOf(before, after, lang);
  const nodes = parts.flatMap((part, index) => {
    if (part.kind === "same") return [part.text];
    const tag = part.kind === "out" ? "del" : "ins";
    const [, before, inner, after] = /^(\s*)(.*?)(\s*)$/s.exec(part.text) ?? ["", "", part.text, ""];
    const tight = part.kind === "out" && parts[index + 1]?.kind === "in" && !after;
    return [before, inner ? el(tag, { text: inner }) : "", after, tight ? " " : ""];
  });
  return el("p", { class: "text", dir: "auto", lang }, ...nodes);
}

/**
 * The differences between two requests, except the prompt. `alikeIn` says of what is alike where it is so.
 * @param {RequestData | undefined} before @param {RequestData | undefined} after @param {string} alikeIn
 */
function changedOptions(before, after, alikeIn) {
  const old = flat(before);
  const now = flat(after);
  const nodes = [];
  const alike = [];
  for (const name of new Set([...Object.keys(old), ...Object.keys(now)])) {
    if (old[name] === now[name]) {
      alike.push(name);
      continue;
    }
    nodes.push(`${nodes.length ? "; " : ""}${name} `);
    if (old[name] !== undefined) nodes.push(el("del", { text: old[name] }), " ");
    if (now[name] !== undefined) nodes.push(el("ins", { text: now[name] }));
  }
  if (old.image === now.image && contentsOf(before).join() !== contentsOf(after).join())
    nodes.push(`${nodes.length ? "; " : ""}other content of the image`);
  if (!nodes.length && !alike.length) return undefined;
  const rest = alike.length
    ? `${alikeIn}: ${alike.slice(0, 4).join(", ")}${alike.length > 4 ? " and the rest" : ""}.`
    : "";
  return el("p", { class: "changes" }, ...nodes, nodes.length ? ". " : "", rest);
}

/** @param {RequestData | undefined} request */
function contentsOf(request) {
  return (request?.images ?? []).map((each) => each.content ?? "");
}

/** @typedef {{ text?: string, request?: RequestData, inputs?: string[] }} Requested */

/** Whether two requests are the same, as far as the page knows. @param {Requested} before @param {Requested} after */
function isSameRequest(before, after) {
  const [old, now] = [before, after].map(({ text, request, inputs }) =>
    JSON.stringify([text ?? "", Object.entries(flat(request)).sort(), contentsOf(request), inputs ?? []]),
  );
  return old === now;
}

/** @param {RequestData | undefined} request @returns {Record<string, string>} */
function flat(request) {
  /** @type {Record<string, string>} */
  const made = {};
  const images = (request?.images ?? []).map((each) => [each.source, each.of].filter(Boolean).join(" "));
  if (images.length) made.image = images.join(", ");
  for (const [name, value] of Object.entries(request?.options ?? {})) made[name] = optionText(value);
  if (request?.event) made.event = request.event;
  return made;
}

/** @param {unknown} value @returns {string} */
function optionText(value) {
  if (Array.isArray(value)) return value.map(optionText).join(", ");
  if (typeof value === "string") return value.replace(/^https?:\/\//, "");
  return JSON.stringify(value) ?? "";
}

/** @param {string} text */
function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
