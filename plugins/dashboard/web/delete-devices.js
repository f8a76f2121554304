// Deleting devices, after asking.
import { remove } from './api.js';
import { confirm } from './dialogs.js';
import { notify, notifyError, t, tn } from './ui.js';

/** How many are named in the question, and deleted at the same time. */
const NAMED = 5;
const AT_ONCE = 4;

/**
 * Deletes devices, if that is what is wanted. Says whether it was begun.
 * @param {Device[]} devices
 */
export async function deleteDevices(devices) {
  const n = devices.length;
  if (n === 0) {
    notify(t('devices.delete.none'), { kind: 'failed' });
    return false;
  }
  const names = devices.slice(0, NAMED).map(({ name }) => name).join(', ') + (n > NAMED ? ' …' : '');
  const sure = await confirm({ title: tn('devices.delete', n), text: t('devices.delete.text', { names }), action: tn('devices.delete.do', n) });
  if (!sure) return false;
  const left = [...devices];
  const some = async () => {
    for (let next = left.pop(); next; next = left.pop()) await remove(`devices/${next.id}`);
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, some));
    notify(tn('devices.deleted', n));
  } catch (error) {
    left.length = 0;
    notifyError(error);
  }
  return true;
}
