/** Boxes over a picture or a frame: in parts of its size, so they stay in place however large it is shown. */

import { colourOf, inkOn } from './colour.js';
import { element } from './element.js';
import { percent } from './words.js';

/** The rectangle of a detection; the contract leaves out what is zero. */
export function rectangle({ bounding_box: { x_px = 0, y_px = 0, width_px = 0, height_px = 0 } = {} }) {
  return { x: x_px, y: y_px, width: width_px, height: height_px };
}

/**
 * Make the boxes of detections, the largest at the bottom so that every one can be pointed at.
 *
 * @param {any[]} detections
 * @param {{width: number, height: number}} size of the upright original, in pixels
 * @param {{labels?: boolean}} [look]
 * @returns {HTMLElement[]} one for each detection, in their order
 */
export function boxes(detections, size, { labels = true } = {}) {
  return detections.map((detection) => {
    const { x, y, width, height } = rectangle(detection);
    const box = element('div', { class: 'box', 'data-category': detection.category });
    Object.assign(box.style, {
      left: `${(100 * x) / size.width}%`,
      top: `${(100 * y) / size.height}%`,
      width: `${(100 * width) / size.width}%`,
      height: `${(100 * height) / size.height}%`,
      zIndex: String(1 + Math.round(1000 * (1 - (width * height) / (size.width * size.height)))),
    });
    box.style.setProperty('--colour', colourOf(detection.category));
    box.style.setProperty('--ink', inkOn(detection.category));
    if (labels) {
      const inside = y < 0.06 * size.height;
      const text = `${detection.category} ${percent(detection.score)}`;
      box.append(element('span', { class: inside ? 'label inside' : 'label' }, text));
    }
    return box;
  });
}

/** Give a place that has the shape of a picture, for the picture and its boxes. */
export function stage(size, ...children) {
  const made = element('div', { class: 'stage' }, ...children);
  shape(made, size);
  return made;
}

/** Give a stage its shape. */
export function shape(made, { width, height }) {
  made.style.setProperty('--width', String(width));
  made.style.setProperty('--height', String(height));
}
