"""Where text comes from: reading and cleaning files, the genres, the catalogue of corpora."""
