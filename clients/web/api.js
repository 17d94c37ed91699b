/** The calls of the REST API that are asked and answered at once. Fields are spelled as in the contract, protos/myeye/v1. */

import { refusal, withToken } from './access.js';
import { ApiError, unreachable } from './errors.js';

const ANSWER_LIMIT_MS = 30_000;

/**
 * Call, and give the answer.
 *
 * @param {string} method
 * @param {string} path
 * @param {any} [body]
 * @throws {ApiError} it was refused, or nobody answered.
 */
export async function call(method, path, body) {
  let answer, text;
  try {
    answer = await fetch(path, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: withToken(body === undefined ? {} : { 'content-type': 'application/json' }),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    text = await answer.text();
  } catch {
    throw unreachable();
  }
  if (!answer.ok) throw refusal(answer.status, text);
  return JSON.parse(text);
}

/** Give a query. (URLSearchParams writes a space as "+", which is read here as a plus.) */
export function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== '');
  return given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
}

export const getCapabilities = () => call('GET', '/v1/capabilities');
export const getJob = async (id) => (await call('GET', `/v1/jobs/${id}`)).job;
export const cancelJob = async (id) => (await call('POST', `/v1/jobs/${id}:cancel`, { reason: 'cancelled on the page' })).job;
export const retryJob = async (id, requestId) => (await call('POST', `/v1/jobs/${id}:retry`, { request_id: requestId })).job;
export const deleteJob = (id) => call('DELETE', `/v1/jobs/${id}`);
export const submitJob = async (request) => (await call('POST', '/v1/jobs', request)).job;

/** @returns {Promise<{jobs?: any[], next_page_token?: string}>} */
export function listJobs(pageSize, pageToken = '') {
  return call('GET', `/v1/jobs?${query({ page_size: pageSize, page_token: pageToken })}`);
}

/** Tell how many bytes of an upload need not be sent again. */
export async function receivedBytes(uploadId) {
  try {
    const { upload } = await call('GET', `/v1/uploads/${uploadId}`);
    return Number(upload.received_bytes ?? 0);
  } catch (error) {
    if (error instanceof ApiError && error.reason === 'UPLOAD_NOT_FOUND') return 0;
    throw error;
  }
}

export const inputUrl = (id, item) => `/v1/jobs/${id}/items/${item}/input`;
export const annotatedUrl = (id, item) => `/v1/jobs/${id}/items/${item}/annotated`;

/** Make an id that nobody else has. (crypto.randomUUID is only there over TLS.) */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
