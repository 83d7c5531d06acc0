// Globals of the page's modules: the libraries that templates/page.html loads before them, and the types of the REST API,
// which `check` generates from its OpenAPI document.
import * as topojsonClient from "topojson-client";
import type { components, paths } from "./api";

/** `requests/${string}` for `requests/{request_id}`. */
type Filled<Path extends string> = Path extends `${infer Before}{${string}}${infer After}` ? `${Before}${string}${Filled<After>}` : Path;
type WithoutQuery<Text extends string> = Text extends `${infer Path}?${string}` ? Path : Text;
/** The path in the OpenAPI document that matches a text such as `requests/${id}`. */
type PathOf<Text extends string> = {
  [Path in keyof paths]: Path extends `/api/v1/${infer Rest}` ? (Filled<Rest> extends Text ? (Text extends Filled<Rest> ? Path : never) : never) : never;
}[keyof paths];
type Operation<Method extends string, Text extends string> =
  Lowercase<Method> extends keyof paths[PathOf<WithoutQuery<Text>>] ? NonNullable<paths[PathOf<WithoutQuery<Text>>][Lowercase<Method>]> : never;
type Json<Part> = Part extends { content: { "application/json": infer Body } } | { content: { "application/geo+json": infer Body } } ? Body : null;

declare global {
  const topojson: typeof topojsonClient;

  /** The JSON documents of the REST API by name. */
  type Schemas = components["schemas"];
  /** A text such as `requests/${id}?limit=5`, if the API has its path with that method; never otherwise. */
  type Called<Method extends string, Text extends string> = [Operation<Method, Text>] extends [never] ? never : Text;
  /** The JSON that an operation accepts. */
  type Sent<Method extends string, Text extends string> = Operation<Method, Text> extends { requestBody?: infer Part } ? Json<NonNullable<Part>> : null;
  /** The JSON that an operation returns. */
  type Received<Method extends string, Text extends string> = Operation<Method, Text> extends { responses: infer All }
    ? { [Status in keyof All & (200 | 201 | 202 | 204)]: Json<All[Status]> }[keyof All & (200 | 201 | 202 | 204)] : never;
  /** A document that a form describes before it is complete. */
  type Draft<T> = T extends object ? { [Key in keyof T]?: Draft<T[Key]> } : T;
}
