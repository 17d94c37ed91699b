/** What people read: sizes, times, states and errors as sentences. */

import { reasonOf } from './errors.js';

const REFUSALS = {
  UNREACHABLE: 'The service does not answer.',
  GATEWAY_UNAVAILABLE: 'The service is away.',
  GATEWAY_TIMEOUT: 'The service took too long to answer.',
  BROKER_UNAVAILABLE: 'The service cannot reach its queue right now.',
  BLOBS_UNAVAILABLE: 'The service cannot reach its store of pictures right now.',
  STARTING: 'The service is starting.',
  DRAINING: 'The service is restarting.',
  TOKEN_MISSING: 'The service asks who you are. A token tells it.',
  TOKEN_INVALID: 'The service does not know this token.',
  TOKEN_EXPIRED: 'This token has expired.',
  HOST_NOT_ALLOWED: 'The service is not to be called by this name.',
  QUEUE_FULL: 'The queue is full.',
  QUOTA_JOBS: 'You have as many jobs under way as you may.',
  QUOTA_ITEMS: 'You have as many pictures and videos under way as you may.',
  QUOTA_BYTES: 'There is no room left for what you store: remove something first.',
  RATE_LIMITED: 'That was too often in a short time.',
  TOO_MANY_WATCHES: 'Too much is being watched at once.',
  TOO_MANY_UPLOADS: 'Too much is being uploaded at once.',
  REQUEST_TOO_LARGE: 'It is larger than the service takes.',
  JOB_NOT_FOUND: 'The service does not know this job any more.',
  JOB_PURGED: 'This job has been removed.',
  JOB_FINISHED: 'It had already ended.',
  JOB_NOT_FINISHED: 'It has not ended yet: cancel it first.',
  JOB_SUCCEEDED: 'Everything succeeded; there is nothing to run again.',
  INPUT_MISSING: 'The picture is not kept any more.',
  BLOB_NOT_FOUND: 'The picture is not kept any more.',
  MODEL_NOT_FOUND: 'There is no such model.',
  UPLOAD_CORRUPT: 'What arrived is not what was sent.',
  NO_SUCH_METHOD: 'This service is too old for that.',
};

const FAILURES = {
  IMAGE_INVALID: 'This is not a picture that can be read, or it is damaged.',
  IMAGE_TOO_LARGE: 'The picture is too large.',
  IMAGE_UNSUPPORTED: 'Pictures of this kind are not supported.',
  VIDEO_INVALID: 'This is not a video that can be read, or it is damaged.',
  VIDEO_TRUNCATED: 'The video breaks off. What was found before is kept.',
  VIDEO_TOO_LONG: 'The video is too long.',
  VIDEO_UNSUPPORTED: 'Videos of this kind are not supported.',
  CATEGORY_UNKNOWN: 'The model does not know a category that was asked for.',
  INPUT_MISSING: 'The picture was not there any more.',
  BLOB_UNAVAILABLE: 'The store of pictures did not answer.',
  EXECUTION_TIMEOUT: 'It took too long.',
  DETECTOR_CRASHED: 'The detector crashed on it.',
  WORKER_LOST: 'The worker that looked at it was lost.',
  CANCELLED: 'Cancelled.',
  EXPIRED: 'No worker took it in time.',
  INTERNAL: 'Something went wrong in the service.',
};

const STAGES = {
  STAGE_FETCHING: 'fetching it',
  STAGE_DECODING: 'opening it',
  STAGE_DETECTING: 'looking',
  STAGE_ANNOTATING: 'drawing the boxes',
};

/** Say why a call failed: an ApiError, or what the page itself found wrong. */
export function whyRefused(error) {
  if (error.violations?.length) {
    return `The service refused it: ${error.violations.map(({ field, description }) => `${field} ${description}`).join('; ')}.`;
  }
  return REFUSALS[error.reason] ?? (error.message ? capital(error.message) : 'Something went wrong.');
}

/** Say why an item failed; `status` is its google.rpc.Status. */
export function whyFailed(status) {
  return FAILURES[reasonOf(status)] ?? capital(status?.message || 'it failed, and nobody said why');
}

/** Say in how much detail the service told it, for who wants to know; empty when there is no more. */
export function detailOf(status) {
  return status?.message ? `${reasonOf(status)}: ${status.message}` : '';
}

export const stage = (name) => STAGES[name] ?? 'looking';

export function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  const power = Math.min(3, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${['', 'KB', 'MB', 'GB'][power]}`;
}

/** Read a Duration of the contract, "1.5s", as seconds. */
export const seconds = (duration) => parseFloat(duration ?? '0');

/** Say a length of time as shortly as it makes sense. */
export function lasting(s) {
  if (s < 0.0995) return `${Math.max(1, Math.round(s * 1000))} ms`;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return `${Math.round(s / 3600)} h`;
}

/** Say a place in a video, as 1:02 or 0:03.4. */
export function clock(s) {
  const tenths = Math.round(10 * s);
  const digits = tenths % 10 ? 1 : 0;
  return `${Math.floor(tenths / 600)}:${((tenths % 600) / 10).toFixed(digits).padStart(digits ? 4 : 2, '0')}`;
}

/** Say when something was, seen from now. */
export function ago(time, now) {
  const s = (now - Date.parse(time)) / 1000;
  if (s < 45) return 'just now';
  if (s < 86_400) return `${lasting(s)} ago`;
  return new Date(time).toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
}

export const percent = (share) => `${Math.round(share * 100)} %`;

export function count(number, noun, nouns = `${noun}s`) {
  return `${number} ${number === 1 ? noun : nouns}`;
}

/** Say what was found, most frequent first, as "person ×3, tie". */
export function tally(detections) {
  const counts = new Map();
  for (const { category } of detections) counts.set(category, (counts.get(category) ?? 0) + 1);
  const sorted = [...counts].sort((one, other) => other[1] - one[1]);
  return sorted.map(([category, number]) => (number > 1 ? `${category} ×${number}` : category)).join(', ');
}

function capital(text) {
  const said = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(said) ? said : `${said}.`;
}
