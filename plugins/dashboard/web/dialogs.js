// Dialogs, and text that can be copied.
import { html, render } from './vendor/lit.js';
import { announce, icon, t } from './ui.js';

/**
 * Opens a dialog and waits until it is closed.
 * @template T
 * @param {string} title
 * @param {(close: (value?: T) => void) => unknown} content what it shows
 * @param {{kind?: '' | 'wide' | 'bare'}} [options]
 * @returns {Promise<T | undefined>}
 */
export function openDialog(title, content, { kind = '' } = {}) {
  const dialog = document.createElement('dialog');
  dialog.className = kind;
  dialog.setAttribute('aria-labelledby', 'dialog-title');
  return new Promise((resolve) => {
    /** @type {T | undefined} */
    let result;
    const close = (/** @type {T | undefined} */ value = undefined) => {
      result = value;
      dialog.close();
    };
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(result);
    });
    render(
      html`<header>
          <h2 id="dialog-title">${title}</h2>
          <button class="icon-only" aria-label=${t('close')} @click=${() => dialog.close()}>${icon('close')}</button>
        </header>
        ${content(close)}`,
      dialog,
    );
    document.body.append(dialog);
    dialog.showModal();
    // What is in it may come a moment later.
    const focus = () => {
      const first = dialog.querySelector('[autofocus], form input:not(.unseen), form select');
      if (!first) return;
      coming.disconnect();
      /** @type {HTMLElement} */ (first).focus();
    };
    const coming = new MutationObserver(focus);
    coming.observe(dialog, { childList: true, subtree: true });
    focus();
  });
}

/**
 * Asks before something that cannot be undone. The button says what will be done, to what.
 * @param {{title: string, text: string, action: string}} question
 * @returns {Promise<boolean>}
 */
export async function confirm({ title, text, action }) {
  const answer = await openDialog(
    title,
    (/** @type {(value?: boolean) => void} */ close) =>
      html`<p>${text}</p>
        <footer>
          <button autofocus @click=${() => close(false)}>${t('cancel')}</button>
          <button class="danger" @click=${() => close(true)}>${action}</button>
        </footer>`,
  );
  return answer === true;
}

/**
 * Text to be copied, such as a command.
 * @param {string} text
 * @param {string} label what it is
 */
export const copyable = (text, label) => {
  const copy = async (/** @type {Event} */ event) => {
    const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
    const field = /** @type {HTMLElement} */ (button.previousElementSibling);
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without HTTPS there is no clipboard: what is selected can still be copied by hand.
      getSelection()?.selectAllChildren(field);
      document.execCommand('copy');
    }
    announce(t('copied'));
    button.classList.add('done');
    setTimeout(() => button.classList.remove('done'), 2000);
  };
  return html`<div class="copyable">
    <code role="textbox" aria-readonly="true" aria-label=${label} tabindex="0">${text}</code>
    <button class="icon-only" aria-label=${t('copy.what', { what: label })} @click=${copy}>
      ${icon('copy')}${icon('check')}
    </button>
  </div>`;
};
