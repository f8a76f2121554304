// A device's last hours or days as a band: when it was up, what was done meanwhile. From entries of its timeline to
// stretches and marks; nothing here knows how they look.

/** @typedef {DevicePresence['state']} State */
/** @typedef {{from: number, to: number, state: State}} Stretch */

/**
 * The stretches of a time, from its beginning to its end, without gaps; what is not known is `unknown`.
 * @param {TimelineEntry[]} entries the newest first
 * @param {number} from @param {number} to
 * @returns {Stretch[]}
 */
export function stretches(entries, from, to) {
  /** @type {Stretch[]} */
  const found = [];
  let end = to;
  for (const entry of entries) {
    if (entry.kind !== 'presence' || entry.at >= end) continue;
    const begin = Math.max(entry.at, from);
    add(found, { from: begin, to: end, state: entry.presence.state });
    end = begin;
    if (end <= from) break;
  }
  if (end > from) add(found, { from, to: end, state: 'unknown' });
  return found.reverse();
}

/** Adds an earlier stretch, to the one after it where both are alike. @param {Stretch[]} found @param {Stretch} one */
function add(found, one) {
  const next = found.at(-1);
  if (next?.state === one.state) next.from = one.from;
  else found.push(one);
}

/**
 * How long each state lasted, in milliseconds.
 * @param {Stretch[]} all
 */
export function totals(all) {
  /** @type {Map<State, number>} */
  const sums = new Map();
  for (const { from, to, state } of all) sums.set(state, (sums.get(state) ?? 0) + to - from);
  return sums;
}
