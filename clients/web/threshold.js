import { element, setText } from './element.js';
import { percent } from './words.js';

let made = 0; // ids must differ on the page

/**
 * Make a slider for the least score that is shown. `floor` sets its lower end: what the job asked for, for there is nothing below it.
 *
 * @param {number} value where it stands at first
 * @param {(value: number) => void} onChange called at every move
 * @returns {{element: HTMLElement, floor: (value: number) => void}}
 */
export function thresholdSlider(value, onChange) {
  const id = `threshold-${(made += 1)}`;
  const output = element('output', { for: id }, percent(value));
  const input = element('input', {
    type: 'range', id, min: Math.round(value * 100), max: 99, step: 1, value: Math.round(value * 100),
    input: () => {
      const chosen = Number(input.value) / 100;
      setText(output, percent(chosen));
      input.setAttribute('aria-valuetext', percent(chosen));
      onChange(chosen);
    },
  });
  input.setAttribute('aria-valuetext', percent(value));
  return {
    element: element('div', { class: 'threshold' }, element('label', { for: id }, 'Show from a score of '), output, input),
    floor: (least) => {
      input.min = String(Math.round(Math.min(least, value) * 100));
    },
  };
}
