import { element, setText } from './element.js';
import { count } from './words.js';

const SAID_MS = 2500;

/**
 * Say at the top of the page when the service is away, when it is tried again, and when it is back.
 *
 * @param {import('./link.js').Link} link
 */
export function tellConnection(link) {
  const place = document.getElementById('connection');
  const text = element('span');
  const button = element('button', { type: 'button', click: () => link.tryNow() }, 'Try now');
  place.append(text, button);
  let was = false;
  let hiding;

  const show = () => {
    if (link.away) {
      clearTimeout(hiding);
      const s = link.nextTry === undefined ? 0 : Math.max(0, Math.ceil((link.nextTry - Date.now()) / 1000));
      setText(text, s ? `The service does not answer. Trying again in ${count(s, 'second')} …` : 'The service does not answer. Trying again …');
      button.hidden = false;
    } else if (was) {
      setText(text, 'Connected again.');
      button.hidden = true;
      hiding = setTimeout(() => (place.hidden = true), SAID_MS);
    }
    place.classList.toggle('back', !link.away);
    if (link.away) place.hidden = false;
    was = link.away;
  };
  link.addEventListener('change', show);
  setInterval(() => link.away && show(), 500);
}
