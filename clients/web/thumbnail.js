/** A small picture of a file. Large pictures are shrunk once and let go of, or fifty of them would fill the memory. */

import { Turns } from './turns.js';

const LONG_SIDE_PX = 176;
const VIDEO_LIMIT_MS = 5000;
const turns = new Turns(2);

/**
 * Draw a picture, or the first frame of a video, small.
 *
 * @param {File} file
 * @returns {Promise<HTMLCanvasElement|undefined>} upright; undefined when this browser cannot show it
 */
export function thumbnail(file) {
  return turns.take(async () => {
    try {
      return file.type.startsWith('video/') ? await ofVideo(file) : await ofPicture(file);
    } catch {
      return undefined;
    }
  });
}

async function ofPicture(file) {
  const bitmap = await createImageBitmap(file);
  const canvas = shrink(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  return canvas;
}

async function ofVideo(file) {
  const video = document.createElement('video');
  const url = URL.createObjectURL(file);
  try {
    Object.assign(video, { muted: true, preload: 'auto', src: url });
    await new Promise((resolve, reject) => {
      video.onloadeddata = resolve;
      video.onerror = reject;
      setTimeout(reject, VIDEO_LIMIT_MS);
    });
    return shrink(video, video.videoWidth, video.videoHeight);
  } finally {
    video.removeAttribute('src');
    URL.revokeObjectURL(url);
  }
}

function shrink(source, width, height) {
  const scale = Math.min(1, LONG_SIDE_PX / Math.max(width, height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}
