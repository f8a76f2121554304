// Looks at devices that somebody has in sight: each costs their agents a probe. What the server learns by itself comes at
// once, and goes by more than one look.
import { get, seen, session, tell } from './api.js';

/** How often they are looked at, in milliseconds. */
const EVERY = 30_000;
/** The devices asked for at once. */
const MOST = 100;

/** @type {Set<() => number[]>} */
const watches = new Set();
let looking = false;
let again = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/**
 * Has the devices that `ids` names be looked at now and then, until the function that is given back is called.
 * @param {() => number[]} ids
 */
export function watchDevices(ids) {
  watches.add(ids);
  lookSoon();
  return () => void watches.delete(ids);
}

/** Looks at the devices soon: those that are looked at have changed. */
export function lookSoon() {
  again = looking;
  if (looking) return;
  clearTimeout(timer);
  timer = setTimeout(look, 50);
}

async function look() {
  const ids = [...new Set([...watches].flatMap((ids) => ids()))].slice(0, MOST);
  if (document.hidden || !session || ids.length === 0) return;
  looking = true;
  try {
    const states = await get('devices/status', { ids: ids.join(',') });
    for (const [key, state] of Object.entries(states)) {
      const id = Number(key);
      if ((seen.get(id)?.since ?? null) === null) seen.set(id, { state, since: null });
    }
    tell([]);
  } catch {
    // What went wrong is shown by whoever shows whether the server answers; the next look says more.
  }
  looking = false;
  clearTimeout(timer);
  timer = setTimeout(look, again ? 50 : EVERY);
  again = false;
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) lookSoon();
});
