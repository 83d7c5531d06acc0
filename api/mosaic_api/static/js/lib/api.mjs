// Calls of the REST API.

const ROOT = new URL("api/v1/", document.baseURI);

/** What the API says is wrong: a sentence, and the field that is to blame. */
export class Problem extends Error {
  constructor(detail, status = 0, field = null) {
    super(detail);
    this.status = status;
    this.field = field;
  }
}

/** The address of something in the API. */
export const address = (path) => new URL(path, ROOT).href;

/**
 * Call the API.
 * @param {string} method of HTTP.
 * @param {string} path below /api/v1, or a whole path as the API tells them.
 * @param {object} body sent as JSON, if there is one.
 * @param {AbortSignal} signal ends the call.
 * @param {string} version of what is changed: the call fails with 412 if it is another one by now.
 * @returns what is answered, or null where the answer is empty.
 * @throws {Problem}
 */
export async function call(method, path, body = null, signal = null, version = null) {
  const headers = { ...(body !== null && { "Content-Type": "application/json" }), ...(version && { "If-Match": `"${version}"` }) };
  let answer;
  try {
    answer = await fetch(address(path), { method, headers, signal, body: body === null ? null : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server does not answer; what is on the page stays as it is.");
  }
  return read(answer.status, await answer.text());
}

export const get = (path, signal = null) => call("GET", path, null, signal);
export const post = (path, body = {}, signal = null) => call("POST", path, body, signal);
export const patch = (path, body, version = null) => call("PATCH", path, body, null, version);
export const remove = (path) => call("DELETE", path);

/**
 * Send a form with a file, and tell how far it is.
 * @param {FormData} form
 * @param {(part: number) => void} progress called with 0 to 1.
 */
export function upload(path, form, progress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much was sent
    request.open("POST", address(path));
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onerror = () => failed(new Problem("The file did not arrive: the server does not answer, or it is too large."));
    request.onload = () => {
      try { done(read(request.status, request.responseText)); } catch (error) { failed(error); }
    };
    request.send(form);
  });
}

function read(status, text) {
  let told = null;
  try { told = text ? JSON.parse(text) : null; } catch { /* not JSON: a proxy's page */ }
  if (status < 400) return told;
  if (status === 401) document.dispatchEvent(new CustomEvent("logged-out"));
  throw new Problem(told?.detail ?? `The server answered ${status}; try again later.`, status, told?.field ?? null);
}
