/** From a file to an accepted job: small pictures in one request, everything else in pieces that survive a cut. */

import { refusal, withToken } from './access.js';
import { query, receivedBytes, submitJob } from './api.js';
import { unreachable } from './errors.js';

const ONE_REQUEST_BYTES = 16 * 1024 * 1024;
const PIECE_BYTES = 8 * 1024 * 1024;
const STALL_MS = 60_000;

/** The file cannot be read any more: it was changed, moved or removed after it was chosen. */
export class Unreadable extends Error {
  message = 'the file was changed or removed after it was chosen; choose it again';
}

/**
 * @typedef {object} Sending
 * @property {File} file
 * @property {string} requestId makes everything here safe to repeat
 * @property {{options: {score_threshold: number}, model: string, annotate: boolean, max_fps?: number}} settings
 * @property {AbortSignal} signal
 * @property {(sentBytes: number) => void} onProgress
 * @property {(attempt: () => Promise<any>) => Promise<any>} patiently repeats an attempt until it is answered
 */

/**
 * Send a file and give the job.
 *
 * @param {Sending} sending
 * @throws {ApiError} the service refuses it.
 * @throws {Unreadable} the file is gone.
 */
export function send(sending) {
  const { file } = sending;
  return file.size > ONE_REQUEST_BYTES || file.type.startsWith('video/') ? sendInPieces(sending) : sendAtOnce(sending);
}

async function sendAtOnce({ file, requestId, settings, signal, onProgress, patiently }) {
  const { model, annotate, options } = settings;
  const fields = { name: nameOf(file), request_id: requestId, model, annotate, 'options.score_threshold': options.score_threshold };
  const { job } = await patiently(() => post(`/v1/images?${query(fields)}`, file, signal, onProgress));
  return job;
}

async function sendInPieces(sending) {
  const { file, requestId, settings, patiently } = sending;
  for (let round = 0; ; round += 1) {
    const blob = await upload(sending, `${requestId}-${round}`);
    const video = settings.max_fps ? { max_fps: settings.max_fps } : undefined;
    const inputs = [{ name: nameOf(file), blob, video }];
    const { options, model, annotate } = settings;
    try {
      return await patiently(() => submitJob({ request_id: `${requestId}-${round}`, inputs, options, model, annotate }));
    } catch (error) {
      if (error.reason !== 'UPLOAD_NOT_FOUND' || round > 0) throw error; // it waited so long that it was removed: once more
    }
  }
}

/** Hand the bytes in, and give the id of the upload. */
async function upload({ file, signal, onProgress, patiently }, uploadId) {
  let offset = 0;
  let known = true;
  while (offset < file.size) {
    offset = await patiently(async () => {
      if (!known) offset = await receivedBytes(uploadId);
      known = false;
      if (offset >= file.size) return offset;
      const piece = file.slice(offset, offset + PIECE_BYTES);
      const answer = await post(`/v1/uploads/${uploadId}?${query({ size_bytes: file.size, offset })}`, piece, signal, (sent) => onProgress(offset + sent));
      known = true;
      return Number(answer.upload.received_bytes ?? 0);
    });
    onProgress(offset);
  }
  return uploadId;
}

/** Longer names are cut where the service would refuse them. */
function nameOf(file) {
  return Array.from(file.name).slice(-255).join('');
}

/** Post bytes with progress, which fetch cannot tell. */
async function post(url, body, signal, onProgress) {
  await body.slice(0, 1).arrayBuffer().catch(() => {
    throw new Unreadable();
  });
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    let stalled = setTimeout(stop, STALL_MS);
    const moving = () => {
      clearTimeout(stalled);
      stalled = setTimeout(stop, STALL_MS);
    };
    request.upload.onprogress = ({ loaded }) => {
      moving();
      onProgress(loaded);
    };
    request.upload.onload = moving;
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(refusal(request.status, request.responseText));
    };
    request.onerror = request.onabort = () => reject(signal.aborted ? signal.reason : unreachable());
    request.onloadend = () => {
      clearTimeout(stalled);
      signal.removeEventListener('abort', stop);
    };
    signal.addEventListener('abort', stop);
    request.open('POST', url);
    for (const [name, value] of Object.entries(withToken({ 'content-type': 'application/octet-stream' }))) request.setRequestHeader(name, value);
    request.send(body);
  });
}
