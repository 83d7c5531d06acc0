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

/** @param {string} method @param {string} path @param {unknown} body @param {AbortSignal | null} signal @param {string | null} version @returns {Promise<any>} */
async function send(method, path, body = null, signal = null, version = null) {
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

// The path of a call is below /api/v1, or a whole path as the API returns it; the promise is of the decoded response, null if
// it is empty. The types of both and of the body come from the OpenAPI document. `signal` ends the call. `version` is the one
// that a change is based on: the call fails with 412 if the server has another. A call throws a Problem.
/** @type {<const M extends string, const P extends string>(method: M, path: P & Called<M, P>) => Promise<Received<M, P>>} */
export const call = send;
/** @type {<const P extends string>(path: P & Called<"GET", P>, signal?: AbortSignal | null) => Promise<Received<"GET", P>>} */
export const get = (path, signal = null) => send("GET", path, null, signal);
/** @type {<const P extends string>(path: P & Called<"POST", P>, body?: Sent<"POST", P>, signal?: AbortSignal | null) => Promise<Received<"POST", P>>} */
export const post = (path, body, signal = null) => send("POST", path, body ?? {}, signal);
/** @type {<const P extends string>(path: P & Called<"PATCH", P>, body: Sent<"PATCH", P>, version?: string | null) => Promise<Received<"PATCH", P>>} */
export const patch = (path, body, version = null) => send("PATCH", path, body, null, version);
/** @type {<const P extends string>(path: P & Called<"DELETE", P>) => Promise<Received<"DELETE", P>>} */
export const remove = (path) => send("DELETE", path);

/**
 * Send a form with a file.
 * @template {string} const P
 * @param {P & Called<"POST", P>} path below /api/v1.
 * @param {FormData} form
 * @param {(share: number) => void} onProgress called with the share that is sent, 0 to 1.
 * @returns {Promise<Received<"POST", P>>} the decoded response.
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
