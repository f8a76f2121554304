// Sends the form to sign in that the document has for visitors, while the modules are on their way: no module itself, since
// those wait for the whole document and for each other. What the server answers is left to the page's own form, which takes
// the place of this one, and shows it as if it had asked.
document.addEventListener('submit', (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.closest('#early')) return;
  event.preventDefault();
  if (window.signingIn) return;
  const [username, password] = form.querySelectorAll('input');
  for (const field of [username, password]) field.readOnly = true;
  const button = /** @type {HTMLButtonElement} */ (form.querySelector('button'));
  button.classList.add('busy');
  button.setAttribute('aria-disabled', 'true');
  window.signingIn = fetch('api/auth/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: username.value, password: password.value }),
    cache: 'no-store',
    signal: AbortSignal.timeout(40_000),
  });
  // What went wrong is said by whoever takes the answer.
  window.signingIn.catch(() => undefined);
});
