// Rules for the page's modules: ESLint's own recommended ones, and which folder may import from which.

import js from "@eslint/js";
import globals from "globals";

const MODULES = "api/mosaic_api/static/js";

/** Forbid imports from some folders in the modules of a folder. */
const without = (folder, ...others) => ({
  files: [`${MODULES}/${folder}/**`],
  rules: { "no-restricted-imports": ["error", { patterns: others.map((other) => ({ regex: other, message: `${folder}/ does not use it` })) }] },
});

export default [
  {
    ...js.configs.recommended,
    files: [`${MODULES}/**/*.mjs`],
    languageOptions: { ecmaVersion: "latest", sourceType: "module", globals: { ...globals.browser, L: "readonly", topojson: "readonly" } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      ...js.configs.recommended.rules,
      eqeqeq: "error",
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "object-shorthand": "error",
    },
  },
  without("lib", "/layers/", "/panels/", "permalink", "main"),
  without("layers", "/panels/", "permalink", "main"),
  without("panels", "permalink", "main"),
];
