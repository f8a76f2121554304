// Taking back: a notice of what was done, with a button that sets it back as it was.
import { notify, notifyError, t } from './ui.js';

/** @param {string} words what was done @param {() => Promise<unknown>} back sets it back */
export const notifyUndo = (words, back) =>
  notify(words, { action: t('undo'), act: () => void back().then(() => notify(t('undone')), notifyError) });
