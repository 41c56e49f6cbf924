"use strict";
// Finds jobs by expressions as for `--select`, or else by words in keys and prompts.
//
// Terms are separated by blanks. Terms of the same field are alternatives (`status:done status:failed`), those of different
// fields must all match; a comma within a term means both, as on the command line. A quoted term may contain blanks.
// What is exactly the name of something means that: `image:shoe [1]` is a pattern only if no image is called so.

/** @type {Record<string, (job: Job) => string | undefined>} */
const FIELDS = {
  status: (job) => job.status,
  action: (job) => job.action,
  template: (job) => job.template,
  image: (job) => job.image,
  prompt: (job) => job.prompt,
  job: (job) => job.rule,
  // The fields below exist on the page only.
  decision: decisionOf,
  ratio: (job) => job.ratioName || undefined,
  state: (job) => job.state,
  campaign: (job) => job.campaign.name,
};

/** @param {string} field @returns {((job: Job) => string | undefined) | undefined} */
function reader(field) {
  if (!field.startsWith("matrix.")) return Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined;
  const axis = field.slice("matrix.".length);
  return (job) => (job.axes && Object.hasOwn(job.axes, axis) ? job.axes[axis] : undefined);
}

/** Reads a field in the form in which texts are compared. @param {string} field @returns {((job: Job) => string | undefined) | undefined} */
function composedReader(field) {
  const read = reader(field);
  return read && ((job) => read(job)?.normalize("NFC"));
}

/** @param {string} text @param {Job[]} jobs @returns {Search} */
function searchFor(text, jobs) {
  const whole = composed(text.trim());
  if (!whole) return { terms: [], nothing: undefined };
  const one = expression(whole, jobs);
  const terms = one?.fits ? [one] : termsIn(whole).map((term) => expression(term, jobs) ?? words(term, jobs));
  return { terms, nothing: terms.find((term) => !term.fits) };
}

/** A text in the Unicode form in which texts are compared: what looks alike is found, as by `--select`. @param {string} text */
function composed(text) {
  return text.normalize("NFC");
}

/** @param {string} text @returns {string[]} */
function termsIn(text) {
  return [...text.matchAll(/"([^"]*)"?|(\S+)/g)].map((found) => found[1] ?? found[2]).filter(Boolean);
}

/**
 * A term as an expression of `--select`; undefined if it is none, or if it may be plain words and matches nothing.
 * @param {string} text @param {Job[]} jobs @returns {Term | undefined}
 */
function expression(text, jobs) {
  const bare = text.replace(/^\+/, "");
  const parts = isName(bare, jobs) ? [bare] : bare.split(",").map((part) => part.trim());
  const tests = parts.map((part) => testOf(part, jobs));
  if (tests.some((test) => test === undefined)) return undefined;
  const all = (/** @type {Job} */ job) => tests.every((test) => test?.(job));
  const found = text.startsWith("+") ? withUpstream(jobs.filter(all)) : undefined;
  const test = found ? (/** @type {Job} */ job) => found.has(job) : all;
  const fits = jobs.some(test);
  const named = parts.every((part) => isNamed(part));
  if (!fits && !named) return undefined;
  return { source: text, field: parts.length === 1 && named ? parts[0].split(":")[0] : text, test, fits };
}

/** Whether a part names a field, so that it cannot be meant as a word. @param {string} part */
function isNamed(part) {
  const colon = part.indexOf(":");
  return colon > 0 && reader(part.slice(0, colon)) !== undefined;
}

/** Whether a part is exactly the name of something. @param {string} part @param {Job[]} jobs */
function isName(part, jobs) {
  const colon = part.indexOf(":");
  const read = composedReader(part.slice(0, Math.max(colon, 0)));
  return read !== undefined && jobs.some((job) => read(job) === part.slice(colon + 1));
}

/** @param {string} part @param {Job[]} jobs @returns {((job: Job) => boolean) | undefined} */
function testOf(part, jobs) {
  if (!part) return undefined;
  const colon = part.indexOf(":");
  const name = colon < 0 ? "" : part.slice(0, colon);
  if (colon < 0 || name.includes("/") || name.includes("*")) {
    const pattern = keyPattern(part);
    return pattern && ((job) => pattern.test(composed(job.key)));
  }
  const read = composedReader(name);
  if (read && isName(part, jobs)) return (job) => read(job) === part.slice(colon + 1);
  const pattern = valuePattern(part.slice(colon + 1));
  if (!read || !pattern) return undefined;
  return (job) => {
    const value = read(job);
    return value !== undefined && pattern.test(value);
  };
}

/**
 * A glob over keys: `*`, `?` and `[abc]` match within one part of a key, `**` across parts; leading parts select everything
 * below them.
 * @param {string} glob
 */
function keyPattern(glob) {
  return globPattern(glob, "[^/#]", "(?:[/#].*)?");
}

/** A glob for a name, as in Python's `fnmatch`. @param {string} glob */
function valuePattern(glob) {
  return globPattern(glob, ".", "");
}

/** @param {string} glob @param {string} one what matches one character @param {string} below @returns {RegExp | undefined} */
function globPattern(glob, one, below) {
  let body = "";
  for (let at = 0; at < glob.length; at++) {
    const character = glob[at];
    const end = character === "[" ? closing(glob, at) : -1;
    if (end > 0) {
      body += `(?=${one})${characterClass(glob.slice(at + 1, end))}`;
      at = end;
    } else if (glob.startsWith("**", at)) {
      body += ".*";
      at++;
    } else body += character === "*" ? `${one}*` : character === "?" ? one : escaped(character);
  }
  try {
    return new RegExp(`^(?:${body}${below})$`, "s" + (glob.isWellFormed?.() === false ? "" : "u"));
  } catch {
    return undefined;
  }
}

/** The end of the set of characters that begins at `from`; -1 if it has none. @param {string} glob @param {number} from */
function closing(glob, from) {
  let at = from + 1;
  if (glob[at] === "!") at++;
  if (glob[at] === "]") at++;
  return glob.indexOf("]", at);
}

/** @param {string} inside */
function characterClass(inside) {
  const negated = inside.startsWith("!");
  const characters = [...(negated ? inside.slice(1) : inside)];
  let body = "";
  for (let at = 0; at < characters.length; at++) {
    const [from, dash, to] = characters.slice(at, at + 3);
    if (dash === "-" && to !== undefined) {
      if (from <= to) body += `${escaped(from)}-${escaped(to)}`;
      at += 2;
    } else body += escaped(from);
  }
  if (!body) return negated ? "." : "(?!)";
  return `[${negated ? "^" : ""}${body}]`;
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, (found) => (found === "-" ? "\\x2d" : `\\${found}`));
}

/** The jobs, and the jobs that they are made from. @param {Job[]} jobs */
function withUpstream(jobs) {
  const reached = new Set();
  const left = [...jobs];
  for (let job = left.pop(); job; job = left.pop()) {
    if (reached.has(job)) continue;
    reached.add(job);
    const upstream = upstreamOf(job);
    if (upstream) left.push(upstream);
  }
  return reached;
}

/** @param {string} text @param {Job[]} jobs @returns {Term} */
function words(text, jobs) {
  const wanted = text.toLowerCase();
  const test = (/** @type {Job} */ job) => job.haystack.includes(wanted);
  return { source: text, field: `"${text}`, test, fits: jobs.some(test) };
}

/** The jobs that match, ignoring the terms of the field `but`. @param {Search} search @param {Job[]} jobs @param {string} [but] */
function fitting(search, jobs, but) {
  /** @type {Map<string, Term[]>} */
  const groups = new Map();
  for (const term of search.terms) {
    if (term.field !== but) groups.set(term.field, [...(groups.get(term.field) ?? []), term]);
  }
  const tests = [...groups.values()];
  if (!tests.length) return jobs;
  return jobs.filter((job) => tests.every((terms) => terms.some((term) => term.test(job))));
}

/** The term that matches exactly this value. @param {string} field @param {string} value */
function termFor(field, value) {
  const exact = value.replace(/[*?[]/g, "[$&]").replace(/[,"]/g, "?");
  return /\s/.test(exact) ? `"${field}:${exact}"` : `${field}:${exact}`;
}

/** @param {string} text @param {string} term */
function hasTerm(text, term) {
  return termsIn(text).includes(term.replaceAll('"', ""));
}

/** The search with a term added, or removed if it is there. @param {string} text @param {string} term */
function toggled(text, term) {
  const terms = termsIn(text);
  const bare = term.replaceAll('"', "");
  const kept = terms.includes(bare) ? terms.filter((each) => each !== bare) : [...terms, bare];
  return kept.map((each) => (/\s/.test(each) ? `"${each}"` : each)).join(" ");
}

/** @type {Record<string, { name: string, before: (one: Job, other: Job) => number }>} */
const SORTS = {
  newest: { name: "Newest first", before: (one, other) => compareText(other.newest, one.newest) },
  key: { name: "By key", before: () => 0 },
  rating: { name: "Best rated first", before: (one, other) => other.rating - one.rating },
  credits: { name: "Most credits first", before: (one, other) => (other.cost ?? -1) - (one.cost ?? -1) },
  length: { name: "Longest first", before: (one, other) => other.length - one.length },
};

/** @param {string} one @param {string} other */
function compareText(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** @type {{ of: Job[], order: string, jobs: Job[] } | undefined} */
let lastSorted;

/** Sorted; equal ones in the order of keys. Cached, since each typed letter needs it. @param {Job[]} jobs @param {string} order */
function sorted(jobs, order) {
  if (lastSorted?.of !== jobs || lastSorted.order !== order) {
    const { before } = SORTS[order] ?? SORTS.newest;
    const made = [...jobs].sort((one, other) => before(one, other) || compareText(one.key, other.key));
    lastSorted = { of: jobs, order, jobs: made };
  }
  return lastSorted.jobs;
}

/** The known value of a field whose spelling is closest to `wanted`. @param {string} field @param {string} wanted @param {Job[]} jobs */
function nearest(field, wanted, jobs) {
  const read = reader(field);
  const known = new Set(read ? jobs.map(read).filter((value) => value !== undefined) : []);
  const ranked = [...known].map((value) => ({ value, apart: distance(wanted, value) }));
  return ranked.sort((one, other) => one.apart - other.apart)[0]?.value;
}

/** The edit distance of two words. @param {string} one @param {string} other */
function distance(one, other) {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1].toLowerCase() === other[j - 1].toLowerCase() ? 0 : 1;
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + same);
    }
    row = next;
  }
  return row[other.length];
}
