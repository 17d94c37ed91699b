/** What was found in the frames of a video, seen by time. Pure. */

import { seconds } from './words.js';

/** Give the usual distance of frames that were looked at, in seconds. */
export function spacing(frames) {
  const gaps = frames.slice(1).map((frame, index) => seconds(frame.time) - seconds(frames[index].time));
  return gaps.length ? gaps.sort((one, other) => one - other)[gaps.length >> 1] : 1;
}

/** Give the frame nearest to a time; undefined when none that was looked at is near. */
export function frameAt(frames, time, gap) {
  let [low, high] = [0, frames.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seconds(frames[middle].time) < time) low = middle + 1;
    else high = middle;
  }
  const near = [frames[low - 1], frames[low]].filter(Boolean);
  const distance = (frame) => Math.abs(seconds(frame.time) - time);
  const nearest = near.sort((one, other) => distance(one) - distance(other))[0];
  return nearest && distance(nearest) <= 1.5 * gap ? nearest : undefined;
}

/**
 * Give for each category when it was seen, those seen most first.
 *
 * @returns {{category: string, score: number, spans: {from: number, to: number}[]}[]} times in seconds, the best score
 */
export function tracks(frames, threshold, gap) {
  /** @type {Map<string, {category: string, score: number, frames: number, spans: {from: number, to: number}[]}>} */
  const found = new Map();
  for (const frame of frames) {
    const time = seconds(frame.time);
    for (const { category, score } of frame.detections ?? []) {
      if (score < threshold) continue;
      const track = found.get(category) ?? { category, score: 0, frames: 0, spans: [] };
      found.set(category, track);
      track.score = Math.max(track.score, score);
      const last = track.spans.at(-1);
      if (last && time - last.to < gap / 2) last.to = Math.max(last.to, time + gap);
      else track.spans.push({ from: time, to: time + gap });
      track.frames += 1;
    }
  }
  return [...found.values()].sort((one, other) => other.frames - one.frames);
}
