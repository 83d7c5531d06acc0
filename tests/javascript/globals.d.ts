// What the page's modules find without importing it: the libraries that templates/page.html loads before them.
import * as topojsonClient from "topojson-client";

declare global {
  const topojson: typeof topojsonClient;
}
