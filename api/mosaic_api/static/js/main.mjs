// Starts the page: loads its parts and what they show first.

import { byId, notify } from "./lib/dom.mjs";
import * as account from "./panels/account.mjs";
import * as datasets from "./panels/datasets.mjs";
import * as indices from "./panels/indices.mjs";
import * as requests from "./panels/requests.mjs";
import * as permalink from "./permalink.mjs";
import "./layers/pointer.mjs";
import "./panels/layers_panel.mjs";
import "./panels/request_form.mjs";
import "./panels/upload.mjs";

const hasView = Boolean(location.hash);
if (await account.load()) {
  if (account.me.role === "viewer") {
    byId("create-button", HTMLButtonElement).disabled = true;
    notify("Your account is read-only. Ask an administrator for the editor role.");
  }
  await Promise.all([permalink.restore(), indices.load(), requests.load(), datasets.load()]);
  if (!hasView) requests.showNewest();
} else if (!account.me.single_user) notify("Log in to see and create mosaics.");
document.body.dataset.ready = "";
