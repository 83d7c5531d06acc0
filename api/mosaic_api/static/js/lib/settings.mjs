// The settings of this server that the page needs, which page.html embeds.

/**
 * @type {{
 *   tileServer: string | null,
 *   tileAttribution: string | null,
 *   localScenes: boolean,
 *   maxUploadBytes: number,
 *   colormaps: Record<string, string[]>,
 *   files: {key: string, title: string}[],
 * }}
 */
export const settings = JSON.parse(document.body.dataset.settings ?? "{}");
