// The settings of this server that the page needs, which page.html embeds.

/**
 * @typedef {Schemas["UsualColours"]} UsualColours
 * @type {{
 *   tileServer: string | null,
 *   tileAttribution: string | null,
 *   localScenes: boolean,
 *   maxUploadBytes: number,
 *   colormaps: Record<string, string[]>,
 *   colours: {expression: UsualColours, band: UsualColours, trueColour: {bands: string[], limits: [number, number], gamma: number}},
 *   files: {key: string, title: string}[],
 * }}
 */
export const settings = JSON.parse(document.body.dataset.settings ?? "{}");
