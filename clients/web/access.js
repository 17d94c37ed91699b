/** Who the person is, where the service asks: a token, which is kept for as long as the tab is open, and told to nobody else. */

import { element, setText } from './element.js';
import { readError } from './errors.js';
import { whyRefused } from './words.js';

const KEY = 'myeye.token';

/** Fires "refused" when the service does not know the person, and "given" when they have given another token. */
const access = new EventTarget();

/** The token; empty when there is none. */
export const token = () => sessionStorage.getItem(KEY) ?? '';

/** Give the headers of a call, with the token. */
export function withToken(headers = {}) {
  return token() ? { ...headers, authorization: `Bearer ${token()}` } : headers;
}

/** Read an error's answer; one that is for want of a token has the page ask for it. */
export function refusal(status, text) {
  const error = readError(status, text);
  if (status === 401) access.dispatchEvent(new CustomEvent('refused', { detail: error }));
  return error;
}

/** Wait until a token is given, or until the signal. */
export function tokenGiven(signal) {
  return new Promise((resolve) => {
    access.addEventListener('given', resolve, { once: true, signal });
    signal.addEventListener('abort', resolve, { once: true });
  });
}

/** Fetch bytes that a picture's or a link's own address could not ask for. */
export async function fetchBlob(url) {
  const answer = await fetch(url, { headers: withToken() });
  if (!answer.ok) throw refusal(answer.status, await answer.text());
  return answer.blob();
}

/**
 * Ask for a token when one is needed.
 *
 * @param {() => void} onGiven
 */
export function askForToken(onGiven) {
  const place = document.getElementById('access');
  const why = element('p', { role: 'alert' });
  const field = element('input', { type: 'password', autocomplete: 'off', spellcheck: 'false', required: true, 'aria-label': 'Token' });
  const form = element('form', {}, field, element('button', { type: 'submit', class: 'primary' }, 'Use this token'));
  place.append(why, form);
  access.addEventListener('refused', (event) => {
    setText(why, whyRefused(event.detail));
    if (!place.hidden) return;
    place.hidden = false;
    field.focus();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, field.value.trim());
    field.value = '';
    place.hidden = true;
    access.dispatchEvent(new Event('given'));
    onGiven();
  });
}
