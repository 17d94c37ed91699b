/** A picture with the boxes drawn on it, as a file. */

import { rectangle } from './boxes.js';
import { colourOf, inkOn } from './colour.js';
import { percent } from './words.js';

const QUALITY = 0.92;

/**
 * Draw what is seen now and give a JPEG.
 *
 * @param {HTMLImageElement} image
 * @param {any[]} detections in pixels of the upright original, which the image is
 * @returns {Promise<Blob>}
 */
export async function annotated(image, detections) {
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff'; // JPEG knows no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0);
  const unit = Math.max(canvas.width, canvas.height, 480) / 480;
  for (const detection of [...detections].reverse()) drawOne(context, detection, unit);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', QUALITY));
  if (!blob) throw new Error('the picture is too large for this browser to draw on');
  return blob;
}

function drawOne(context, detection, unit) {
  const { x, y, width, height } = rectangle(detection);
  const text = `${detection.category} ${percent(detection.score)}`;
  context.strokeStyle = context.fillStyle = colourOf(detection.category);
  context.lineWidth = 2 * unit;
  context.strokeRect(x, y, width, height);
  context.font = `600 ${11 * unit}px Inter, system-ui, sans-serif`;
  context.textBaseline = 'middle';
  const chip = { width: context.measureText(text).width + 8 * unit, height: 16 * unit };
  const top = Math.max(0, y - chip.height);
  context.fillRect(x - unit, top, chip.width, chip.height);
  context.fillStyle = inkOn(detection.category);
  context.fillText(text, x + 3 * unit, top + chip.height / 2);
}

/** Hand a file to the person. */
export function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
