// The OpenID provider of the tests: oidc-provider with its own pages for development, where any password will do.
//   node provider.mjs LIBRARY ISSUER CONFIGURATION
// CONFIGURATION is a JSON file {client: {…}, people: {login: claims}}; it may change while this runs.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [library, issuer, configuration] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(library));
const read = () => JSON.parse(readFileSync(configuration, "utf8"));

const provider = new Provider(issuer, {
  clients: [read().client],
  claims: { openid: ["sub"], profile: ["name", "preferred_username"], groups: ["groups"] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...read().people[id] }) }),
});
const { hostname, port } = new URL(issuer);
provider.listen(Number(port), hostname);
