// What films are called: by the name that this page sent them under, else by what the server calls them.

/** The whole name of a film {id, name}; that of an archive's member begins with the archive's. */
export const wholeName = (state, { id, name }) => state.names.get(id) ?? name;

/** What people call it: the last part. */
export const shortName = (state, film) => wholeName(state, film).split("/").at(-1) || wholeName(state, film);
