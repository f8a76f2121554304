// Favourite devices, which the server keeps for their user.
import { put, session } from './api.js';

/**
 * Makes a device a favourite, or none. It is shown as one at once, and as it was where that cannot be kept.
 * @param {number} id
 */
export async function toggleFavorite(id) {
  const own = session;
  if (!own) return;
  const before = own.favorites;
  own.favorites = before.includes(id) ? before.filter((other) => other !== id) : [...before, id];
  try {
    await put(`account/${own.userID}`, { username: own.username, favorites: own.favorites });
  } catch (error) {
    own.favorites = before;
    throw error;
  }
}
