// The page's beginning: its parts, each of which looks after itself, and what is asked for first.

import * as account from "./panels/account.mjs";
import { notify, the } from "./lib/dom.mjs";
import * as data from "./panels/datasets.mjs";
import * as indices from "./panels/indices.mjs";
import * as requests from "./panels/requests.mjs";
import * as state from "./permalink.mjs";
import "./panels/request_form.mjs";
import "./panels/layers_panel.mjs";
import "./layers/pointer.mjs";
import "./panels/upload.mjs";

const anew = !location.hash;
const known = await account.load();
if (known) {
  if (account.me.role === "viewer") {
    the("ask-button").disabled = true;
    notify("You may look, but not ask for mosaics: that needs the role editor.");
  }
  await Promise.all([state.read(), indices.load(), requests.load(), data.load()]);
  if (anew) requests.showNewest();
} else if (!account.me.single_user) notify("Log in to see mosaics and to ask for some.");
document.body.dataset.ready = "";
