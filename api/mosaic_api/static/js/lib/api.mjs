// Calls the REST API.

const ROOT = new URL("api/v1/", document.baseURI);

/** What the API refuses: a message, and the field that caused it. */
export class Problem extends Error {
  /** @param {string} detail @param {number} status of HTTP; 0 if no server was involved. @param {string | null} field path in the request's body. */
  constructor(detail, status = 0, field = null) {
    super(detail);
    this.status = status;
    this.field = field;
  }
}

/** The URL of a path in the API. @param {string} path below /api/v1, or a whole path as the API returns it. */
export const urlOf = (path) => new URL(path, ROOT).href;

/**
 * Call the API.
 * @param {string} method of HTTP.
 * @param {string} path below /api/v1, or a whole path as the API returns it.
 * @param {object | null} body sent as JSON.
 * @param {AbortSignal | null} signal ends the call.
 * @param {string | null} version that the change is based on; the call fails with 412 if the server has another.
 * @returns {Promise<any>} the decoded response; null if it is empty.
 * @throws {Problem}
 */
export async function call(method, path, body = null, signal = null, version = null) {
  const headers = { ...(body !== null && { "Content-Type": "application/json" }), ...(version && { "If-Match": `"${version}"` }) };
  let response;
  try {
    response = await fetch(urlOf(path), { method, headers, signal, body: body === null ? null : JSON.stringify(body) });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Problem("Cannot reach the server. Nothing was lost; try again.");
  }
  return decode(response.status, await response.text());
}

/** Whether a call failed because its signal ended it. @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

/** @type {(path: string, signal?: AbortSignal | null) => Promise<any>} */
export const get = (path, signal = null) => call("GET", path, null, signal);
/** @type {(path: string, body?: object, signal?: AbortSignal | null) => Promise<any>} */
export const post = (path, body = {}, signal = null) => call("POST", path, body, signal);
/** @type {(path: string, body: object, version?: string | null) => Promise<any>} */
export const patch = (path, body, version = null) => call("PATCH", path, body, null, version);
/** @type {(path: string) => Promise<any>} */
export const remove = (path) => call("DELETE", path);

/**
 * Send a form with a file.
 * @param {string} path below /api/v1.
 * @param {FormData} form
 * @param {(share: number) => void} onProgress called with the share that is sent, 0 to 1.
 * @returns {Promise<any>} the decoded response.
 * @throws {Problem}
 */
export function upload(path, form, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not report progress
    request.open("POST", urlOf(path));
    request.upload.onprogress = (event) => { if (event.lengthComputable) onProgress(event.loaded / event.total); };
    request.onerror = () => reject(new Problem("Upload failed: cannot reach the server, or the file is too large."));
    request.onload = () => {
      try { resolve(decode(request.status, request.responseText)); } catch (error) { reject(error); }
    };
    request.send(form);
  });
}

/** @param {number} status @param {string} text */
function decode(status, text) {
  /** @type {any} */
  let body = null;
  try { body = text ? JSON.parse(text) : null; } catch { /* not JSON: the page of a proxy */ }
  if (status < 400) return body;
  if (status === 401) document.dispatchEvent(new CustomEvent("logged-out"));
  throw new Problem(body?.detail ?? `The server returned status ${status}. Try again later.`, status, body?.field ?? null);
}
